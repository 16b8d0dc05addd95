//! Whether a chart suits the repository and tag that it is given.
//!
//! Helm finds a chart by both: the last part of the repository is the name, the tag the version with `_` for `+`. A tag that is no
//! version, such as `stable`, is fine.

use portolan_plugin_sdk::Finding;

use crate::chart::version;
use crate::rule;

/// Judges one tag by the name and version of the chart.
pub fn judge(name: &str, chart_version: Option<&str>, repository: &str, tag: &str) -> Vec<Finding> {
    let basename = repository.rsplit('/').next().unwrap_or(repository);
    let mut findings = Vec::new();
    if basename != name {
        let message = format!(
            "The repository {repository} holds a chart called {name:?}. Helm expects the name of the chart as last part of the repository, \
             and `helm pull` saves the file under the name of the chart. Push it to a repository that ends in /{name}."
        );
        findings.push(rule::finding("helm/repository-name", message));
    }
    let expected = chart_version.map(version::tag);
    let is_version = version::strict(&version::of_tag(tag)).is_some();
    if let Some(expected) = expected.filter(|expected| is_version && expected != tag) {
        let message = format!(
            "The tag {tag:?} is a version, but the chart in it has version {:?}. `helm pull --version` would return another chart than was \
             asked for. Tag it {expected:?}, or change the version in Chart.yaml.",
            chart_version.unwrap_or_default()
        );
        findings.push(rule::finding("helm/tag-version", message));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repository_and_tag_are_compared_with_the_chart() {
        for (repository, tag, expected) in [
            ("team/web", "1.0.0_b", &[][..]),
            ("web", "1.0.0_b", &[]),
            ("team/web", "stable", &[]),
            ("team/web", "1.0", &[]),
            ("team/web", "v1.0.1", &[]),
            ("team/other", "1.0.0_b", &["helm/repository-name"]),
            ("web/charts", "1.0.0_b", &["helm/repository-name"]),
            ("team/web", "1.0.0", &["helm/tag-version"]),
            ("team/web", "1.0.1_b", &["helm/tag-version"]),
            ("other", "2.0.0", &["helm/repository-name", "helm/tag-version"]),
        ] {
            let findings = judge("web", Some("1.0.0+b"), repository, tag);
            let rules: Vec<_> = findings.iter().map(|finding| finding.rule.as_str()).collect();
            assert_eq!(rules, expected, "{repository}:{tag}");
        }
    }

    #[test]
    fn a_chart_without_version_suits_every_tag() {
        assert_eq!(judge("web", None, "web", "1.0.0"), []);
    }
}
