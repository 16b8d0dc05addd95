//! Kubernetes APIs that were removed or are deprecated, where a template names them in plain text.

use super::Report;
use crate::chart::Chart;

/// Kinds of one API version with a common fate.
struct Fate {
    api_version: &'static str,
    kinds: &'static [&'static str],
    /// The version of Kubernetes without it, or with it deprecated where it still exists.
    version: &'static str,
    removed: bool,
    instead: &'static str,
}

const fn removed(
    api_version: &'static str,
    kinds: &'static [&'static str],
    version: &'static str,
    instead: &'static str,
) -> Fate {
    Fate {
        api_version,
        kinds,
        version,
        removed: true,
        instead,
    }
}

const WORKLOADS: &[&str] = &["DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"];
const ROLES: &[&str] = &["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"];
const WEBHOOKS: &[&str] = &["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];
const FLOWS: &[&str] = &["FlowSchema", "PriorityLevelConfiguration"];
const REVIEWS: &[&str] = &[
    "LocalSubjectAccessReview",
    "SelfSubjectAccessReview",
    "SelfSubjectRulesReview",
    "SubjectAccessReview",
];

/// What the deprecation guide of Kubernetes lists, newest first.
const FATES: &[Fate] = &[
    Fate {
        api_version: "v1",
        kinds: &["Endpoints"],
        version: "1.33",
        removed: false,
        instead: "discovery.k8s.io/v1 EndpointSlice",
    },
    Fate {
        api_version: "v1",
        kinds: &["ComponentStatus"],
        version: "1.19",
        removed: false,
        instead: "the health checks of the components",
    },
    removed(
        "flowcontrol.apiserver.k8s.io/v1beta3",
        FLOWS,
        "1.32",
        "flowcontrol.apiserver.k8s.io/v1",
    ),
    removed(
        "flowcontrol.apiserver.k8s.io/v1beta2",
        FLOWS,
        "1.29",
        "flowcontrol.apiserver.k8s.io/v1",
    ),
    removed("storage.k8s.io/v1beta1", &["CSIStorageCapacity"], "1.27", "storage.k8s.io/v1"),
    removed(
        "flowcontrol.apiserver.k8s.io/v1beta1",
        FLOWS,
        "1.26",
        "flowcontrol.apiserver.k8s.io/v1",
    ),
    removed("autoscaling/v2beta2", &["HorizontalPodAutoscaler"], "1.26", "autoscaling/v2"),
    removed("autoscaling/v2beta1", &["HorizontalPodAutoscaler"], "1.25", "autoscaling/v2"),
    removed("batch/v1beta1", &["CronJob"], "1.25", "batch/v1"),
    removed("discovery.k8s.io/v1beta1", &["EndpointSlice"], "1.25", "discovery.k8s.io/v1"),
    removed("events.k8s.io/v1beta1", &["Event"], "1.25", "events.k8s.io/v1"),
    removed("node.k8s.io/v1beta1", &["RuntimeClass"], "1.25", "node.k8s.io/v1"),
    removed("policy/v1beta1", &["PodDisruptionBudget"], "1.25", "policy/v1"),
    removed("policy/v1beta1", &["PodSecurityPolicy"], "1.25", "Pod Security admission"),
    removed(
        "admissionregistration.k8s.io/v1beta1",
        WEBHOOKS,
        "1.22",
        "admissionregistration.k8s.io/v1",
    ),
    removed(
        "apiextensions.k8s.io/v1beta1",
        &["CustomResourceDefinition"],
        "1.22",
        "apiextensions.k8s.io/v1",
    ),
    removed(
        "apiregistration.k8s.io/v1beta1",
        &["APIService"],
        "1.22",
        "apiregistration.k8s.io/v1",
    ),
    removed(
        "authentication.k8s.io/v1beta1",
        &["TokenReview"],
        "1.22",
        "authentication.k8s.io/v1",
    ),
    removed("authorization.k8s.io/v1beta1", REVIEWS, "1.22", "authorization.k8s.io/v1"),
    removed(
        "certificates.k8s.io/v1beta1",
        &["CertificateSigningRequest"],
        "1.22",
        "certificates.k8s.io/v1",
    ),
    removed("coordination.k8s.io/v1beta1", &["Lease"], "1.22", "coordination.k8s.io/v1"),
    removed("extensions/v1beta1", &["Ingress"], "1.22", "networking.k8s.io/v1"),
    removed(
        "networking.k8s.io/v1beta1",
        &["Ingress", "IngressClass"],
        "1.22",
        "networking.k8s.io/v1",
    ),
    removed(
        "rbac.authorization.k8s.io/v1beta1",
        ROLES,
        "1.22",
        "rbac.authorization.k8s.io/v1",
    ),
    removed(
        "scheduling.k8s.io/v1beta1",
        &["PriorityClass"],
        "1.22",
        "scheduling.k8s.io/v1",
    ),
    removed(
        "storage.k8s.io/v1beta1",
        &["CSIDriver", "CSINode", "StorageClass", "VolumeAttachment"],
        "1.22",
        "storage.k8s.io/v1",
    ),
    removed("extensions/v1beta1", WORKLOADS, "1.16", "apps/v1"),
    removed("extensions/v1beta1", &["NetworkPolicy"], "1.16", "networking.k8s.io/v1"),
    removed("extensions/v1beta1", &["PodSecurityPolicy"], "1.16", "Pod Security admission"),
    removed("apps/v1beta1", WORKLOADS, "1.16", "apps/v1"),
    removed("apps/v1beta2", WORKLOADS, "1.16", "apps/v1"),
];

/// Looks for such APIs in templates and definitions.
pub fn find(chart: &Chart, report: &mut Report) {
    let is_manifest = |path: &str| path.ends_with(".yaml") || path.ends_with(".yml");
    for file in chart.templates().chain(chart.crds()).filter(|file| is_manifest(&file.path)) {
        let text = String::from_utf8_lossy(file.content.as_deref().unwrap_or_default());
        for object in objects(&text) {
            let Some(fate) = FATES
                .iter()
                .find(|fate| fate.api_version == object.api_version && fate.kinds.contains(&object.kind))
            else {
                continue;
            };
            let Fate { version, instead, .. } = fate;
            let what = format!("{} {}", object.api_version, object.kind);
            let (rule, message) = if fate.removed {
                (
                    "helm/api-removed",
                    format!("Kubernetes {version} and later have no {what}. Use {instead}."),
                )
            } else {
                (
                    "helm/api-deprecated",
                    format!("{what} is deprecated since Kubernetes {version}. Use {instead}."),
                )
            };
            report.line(rule, &file.path, object.line, message);
        }
    }
}

/// An object whose API and kind can be read without rendering.
#[derive(Debug, PartialEq)]
struct Object<'a> {
    api_version: &'a str,
    kind: &'a str,
    line: usize,
}

/// Finds the objects of a template.
///
/// A document with several `apiVersion:` lines chooses between them when it is rendered: such an author has thought of the old ones.
fn objects(text: &str) -> Vec<Object<'_>> {
    let mut objects = Vec::new();
    let (mut versions, mut kinds): (Vec<(&str, usize)>, Vec<&str>) = (Vec::new(), Vec::new());
    let lines = text
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line))
        .chain([(0, "---")]);
    for (number, line) in lines {
        if line.starts_with("---") {
            if let ([(api_version, line)], [kind]) = (versions.as_slice(), kinds.as_slice()) {
                objects.push(Object {
                    api_version,
                    kind,
                    line: *line,
                });
            }
            versions.clear();
            kinds.clear();
        } else if let Some(value) = line.strip_prefix("apiVersion:") {
            versions.push((plain(value), number));
        } else if let Some(value) = line.strip_prefix("kind:") {
            kinds.push(plain(value));
        }
    }
    objects
}

/// The text of a scalar, without quotes and comment.
fn plain(value: &str) -> &str {
    value.split(" #").next().unwrap_or_default().trim().trim_matches(['"', '\''])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_that_can_be_read_without_rendering() {
        let text = "{{- if .Values.x }}\napiVersion: batch/v1beta1 # old\nkind: \"CronJob\"\nspec:\n  kind: inner\n{{- end }}\n---\n\
                    apiVersion: {{ include \"x\" . }}\nkind: Ingress\n---\n\
                    {{ if a }}\napiVersion: policy/v1\n{{ else }}\napiVersion: policy/v1beta1\n{{ end }}\nkind: PodDisruptionBudget\n";
        assert_eq!(
            objects(text),
            [
                Object {
                    api_version: "batch/v1beta1",
                    kind: "CronJob",
                    line: 2
                },
                Object {
                    api_version: "{{ include \"x\" . }}",
                    kind: "Ingress",
                    line: 8
                }
            ]
        );
    }
}
