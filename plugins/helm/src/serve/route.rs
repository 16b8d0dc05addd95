//! Which resource a path means.
//!
//! A prefix of repositories comes before or inside of what clients append, and both are free to hold the same words, so that paths are
//! read from the right: what clients append is known, everything before it is the prefix.

/// A resource of the chart repository.
#[derive(Clone, Debug, PartialEq)]
pub enum Route {
    /// The index of all charts under a prefix.
    Index {
        /// The prefix of repositories.
        prefix: String,
    },
    /// A packaged chart or its provenance file: the segments of the path.
    Download {
        /// The segments, the file name last.
        segments: Vec<String>,
    },
    /// The charts under a prefix, for programs; also where charts are uploaded.
    Charts {
        /// The prefix of repositories.
        prefix: String,
    },
    /// The versions of a chart.
    Versions {
        /// The prefix of repositories.
        prefix: String,
        /// The name of the chart.
        name: String,
    },
    /// One version of a chart.
    Version {
        /// The prefix of repositories.
        prefix: String,
        /// The name of the chart.
        name: String,
        /// The version.
        version: String,
    },
    /// Where provenance files are uploaded.
    Provenance {
        /// The prefix of repositories.
        prefix: String,
    },
    /// Whether the service answers.
    Health,
}

impl Route {
    /// The methods that the resource has.
    pub fn methods(&self) -> &'static [&'static str] {
        match self {
            Route::Charts { .. } => &["GET", "HEAD", "POST"],
            Route::Version { .. } => &["GET", "HEAD", "DELETE"],
            Route::Provenance { .. } => &["POST"],
            Route::Index { .. } | Route::Download { .. } | Route::Versions { .. } | Route::Health => &["GET", "HEAD"],
        }
    }
}

/// Reads a path below the mount. One that means nothing has no route.
pub fn parse(path: &str) -> Option<Route> {
    let segments: Vec<&str> = path.split('/').collect();
    if segments.iter().any(|segment| segment.is_empty()) {
        return None;
    }
    let (last, before) = segments.split_last()?;
    match *last {
        "index.yaml" => {
            return Some(Route::Index {
                prefix: before.join("/"),
            });
        }
        "health" if before.last() != Some(&"charts") => return Some(Route::Health),
        _ => {}
    }
    if before.contains(&"charts") && (last.ends_with(".tgz") || last.ends_with(".tgz.prov")) {
        return Some(Route::Download {
            segments: segments.iter().map(|segment| (*segment).to_owned()).collect(),
        });
    }
    api(&segments)
}

/// Reads a path of the API: `<prefix>/api/...`, or `api/<prefix>/...` as servers with several repositories have it.
fn api(segments: &[&str]) -> Option<Route> {
    let direct = (0..segments.len())
        .rev()
        .filter(|at| segments.get(*at) == Some(&"api"))
        .find_map(|at| {
            let (before, after) = (segments.get(..at)?, segments.get(at + 1..)?);
            resource(before.join("/"), after)
        });
    direct.or_else(|| {
        let below = segments.strip_prefix(&["api"])?;
        (0..below.len()).rev().find_map(|at| {
            let (prefix, after) = below.split_at_checked(at)?;
            resource(prefix.join("/"), after)
        })
    })
}

fn resource(prefix: String, below: &[&str]) -> Option<Route> {
    match below {
        ["prov"] => Some(Route::Provenance { prefix }),
        ["charts"] => Some(Route::Charts { prefix }),
        ["charts", name] => Some(Route::Versions {
            prefix,
            name: (*name).to_owned(),
        }),
        ["charts", name, version] => Some(Route::Version {
            prefix,
            name: (*name).to_owned(),
            version: (*version).to_owned(),
        }),
        _ => None,
    }
}

/// Joins a prefix and what lies below it; either may be empty.
pub fn join(prefix: &str, below: &str) -> String {
    let separator = if prefix.is_empty() || below.is_empty() { "" } else { "/" };
    format!("{prefix}{separator}{below}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words a route in one line, so that tables stay readable.
    fn shown(path: &str) -> String {
        match parse(path) {
            None => "none".to_owned(),
            Some(Route::Index { prefix }) => format!("index of {prefix:?}"),
            Some(Route::Download { segments }) => format!("download {}", segments.join("|")),
            Some(Route::Charts { prefix }) => format!("charts of {prefix:?}"),
            Some(Route::Versions { prefix, name }) => format!("versions of {name} in {prefix:?}"),
            Some(Route::Version { prefix, name, version }) => format!("{name} {version} in {prefix:?}"),
            Some(Route::Provenance { prefix }) => format!("provenance in {prefix:?}"),
            Some(Route::Health) => "health".to_owned(),
        }
    }

    #[test]
    fn paths_are_read_from_the_right() {
        for (path, expected) in [
            ("index.yaml", "index of \"\""),
            ("team/a/index.yaml", "index of \"team/a\""),
            ("charts/index.yaml", "index of \"charts\""),
            ("api/charts/index.yaml", "index of \"api/charts\""),
            ("health", "health"),
            ("team/health", "health"),
            ("charts/web-1.0.0.tgz", "download charts|web-1.0.0.tgz"),
            (
                "team/charts/web/web-1.0.0.tgz.prov",
                "download team|charts|web|web-1.0.0.tgz.prov",
            ),
            ("web-1.0.0.tgz", "none"),
            ("api/charts", "charts of \"\""),
            ("team/api/charts", "charts of \"team\""),
            ("api/team/a/charts", "charts of \"team/a\""),
            ("api/api/charts", "charts of \"api\""),
            ("platform/api/api/charts", "charts of \"platform/api\""),
            ("api/charts/web", "versions of web in \"\""),
            ("api/charts/charts", "versions of charts in \"\""),
            ("api/charts/health", "versions of health in \"\""),
            ("api/team/charts/web", "versions of web in \"team\""),
            ("team/api/charts/web/1.0.0+b", "web 1.0.0+b in \"team\""),
            ("api/team/charts/web/1.0.0", "web 1.0.0 in \"team\""),
            ("api/prov", "provenance in \"\""),
            ("team/api/prov", "provenance in \"team\""),
            ("api/team/prov", "provenance in \"team\""),
            ("api/charts/web/1.0.0/values", "none"),
            ("", "none"),
            ("team", "none"),
            ("team//index.yaml", "none"),
            ("api", "none"),
        ] {
            assert_eq!(shown(path), expected, "{path}");
        }
    }

    #[test]
    fn names_are_joined() {
        for (prefix, below, expected) in [
            ("", "web", "web"),
            ("team", "web", "team/web"),
            ("team", "", "team"),
            ("", "", ""),
        ] {
            assert_eq!(join(prefix, below), expected);
        }
    }
}
