//! How two charts differ: what their metadata, dependencies, default values and files say, most telling first.

mod collect;
mod dependencies;
pub mod files;
mod metadata;
mod values;

use portolan_plugin_sdk::{Artifact, Change, Error};

use crate::chart::Chart;
use crate::opened;

use collect::Changes;
use files::Inventory;

/// Compares two charts.
pub fn compare(before: &Artifact, after: &Artifact) -> Result<Vec<Change>, Error> {
    let (old_layer, new_layer) = (opened::chart_layer(before)?, opened::chart_layer(after)?);
    if old_layer.digest == new_layer.digest {
        return Ok(Vec::new());
    }
    let inventory = |artifact: &Artifact, digest: &str| files::inventory(artifact.open(digest)?.reader());
    let old_files = inventory(before, &old_layer.digest)?;
    let new_files = inventory(after, &new_layer.digest)?;
    let (old, new) = (opened::sound_chart(before)?, opened::sound_chart(after)?);
    Ok(charts(&old, &new, &old_files, &new_files))
}

/// Compares two charts that were read, with the files of their packages.
pub fn charts(old: &Chart, new: &Chart, old_files: &Inventory, new_files: &Inventory) -> Vec<Change> {
    let mut changes = Changes::default();
    metadata::compare(&old.metadata, &new.metadata, &mut changes);
    dependencies::compare(&old.metadata, &new.metadata, &mut changes);
    values::compare(old.values.as_ref(), new.values.as_ref(), &mut changes);
    files::compare(old_files, new_files, &mut changes);
    changes.finish()
}

#[cfg(test)]
mod tests {
    use crate::testing::Package;

    use super::*;

    fn compared(old: &Package, new: &Package) -> Vec<String> {
        let inventory = |package: &Package| files::inventory(package.bytes().as_slice()).unwrap();
        let changes = charts(&old.chart(), &new.chart(), &inventory(old), &inventory(new));
        changes
            .iter()
            .map(|change| format!("{} {}", change.kind, change.path))
            .collect()
    }

    #[test]
    fn charts_are_compared_as_a_whole() {
        let dependency =
            "apiVersion: v2\nname: web\nversion: 1.1.0\ndependencies: [{name: db, version: 1.0.0, repository: \"\"}]\n";
        let new = Package::good()
            .file("web/Chart.yaml", dependency)
            .file("web/values.yaml", "replicas: 2\n")
            .file("web/templates/service.yaml", "kind: Service\n")
            .without("web/templates/deployment.yaml");
        assert_eq!(
            compared(&Package::good(), &new),
            [
                "changed chart.version",
                "removed chart.description",
                "removed chart.icon",
                "removed chart.appVersion",
                "added dependencies.db",
                "changed values.replicas",
                "changed files/Chart.yaml",
                "removed files/templates/deployment.yaml",
                "added files/templates/service.yaml",
                "changed files/values.yaml",
            ]
        );
        assert_eq!(compared(&new, &new), [""; 0]);
    }
}
