//! Good and bad configurations.

use super::*;

fn load(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::from_parts(Path::new("portolan.toml"), text, variables, Overrides::default())
}

#[test]
fn the_printed_configuration_is_the_default_one() {
    let (printed, default) = (load(DEFAULT, &[]).unwrap(), load("", &[]).unwrap());
    assert_eq!(format!("{printed:?}"), format!("{default:?}"));
}

#[test]
fn every_key_is_explained() {
    // A comment may stand over several keys, or over the table that holds them.
    let mut commented = false;
    for line in DEFAULT.lines() {
        let key = line.split_once(" = ").map(|(key, _)| key);
        let is_key = key.is_some_and(|key| key.chars().all(|c| c.is_ascii_lowercase() || c == '_'));
        assert!(!is_key || commented, "{line}");
        commented = line.starts_with('#') || (commented && !line.is_empty());
    }
}

#[test]
fn bad_files_are_refused_with_the_place_and_what_was_expected() {
    let check = |text: &str, expected: &[&str]| {
        let error = load(text, &[]).expect_err(text).to_string();
        for expected in expected {
            assert!(error.contains(expected), "{text}: {error}");
        }
    };
    check(
        "[http]\nlisten = \"127.0.0.1:0\"\nlsten = 1\n",
        &["portolan.toml", "line 3", "unknown field `lsten`", "`listen`"],
    );
    check("[http]\nlisten = 5000\n", &["line 2", "socket address"]);
    check(
        "[registry]\nmanifest_bytes_max = \"4 megs\"\n",
        &["line 2", "is not a size such as"],
    );
    check("[registry]\nupload_idle_max = 5\n", &["line 2", "invalid type: integer"]);
    check(
        "[registry]\nmissing_references = \"maybe\"\n",
        &["line 2", "`reject` or `accept`"],
    );
    check("[nothing]\n", &["line 1", "unknown field `nothing`"]);
    check("[http\n", &["line 1"]);
    check("[log]\nformat = \"xml\"\n", &["`text` or `json`"]);
    check(
        "[plugins.limits]\nmemory = \"1 MiB\"\n",
        &["unknown field `memory`", "memory_bytes_max"],
    );
}

#[test]
fn the_environment_wins_over_the_file() {
    let config = load(
        "[http]\nlisten = \"127.0.0.1:1\"\n",
        &[
            ("PORTOLAN_HTTP__LISTEN", "127.0.0.1:2"),
            ("PORTOLAN_REGISTRY__PUSH_TAGS_MAX", "7"),
            ("PORTOLAN_REGISTRY__UPLOAD_IDLE_MAX", "2h"),
            ("PORTOLAN_AUTH__HIDDEN", "[\"secret\"]"),
            ("PORTOLAN_PLUGINS__PLUGIN__EXAMPLE__ENABLED", "false"),
            ("PORTOLAN_CACHE", "elsewhere"),
            ("HOME", "x"),
        ],
    );
    let config = config.unwrap();
    assert_eq!(config.listen.port(), 2);
    assert_eq!(
        (config.registry.push_tags_max, config.registry.upload_idle_max),
        (7, Duration::from_secs(7_200))
    );
    assert_eq!(config.anonymous, Grants::all_but(["secret".to_owned()]));
}

#[test]
fn a_bad_environment_names_its_variables() {
    let error = load("", &[("PORTOLAN_HTTP__LSTEN", "x")]).unwrap_err().to_string();
    assert!(
        error.contains("PORTOLAN_HTTP__LSTEN") && error.contains("unknown field `lsten`"),
        "{error}"
    );
    let error = load("", &[("PORTOLAN_HTTP__LISTEN__X", "x")]).unwrap_err().to_string();
    assert!(error.contains("PORTOLAN_HTTP__LISTEN__X"), "{error}");
}

#[test]
fn listening_beyond_this_machine_has_to_be_asked_for() {
    let error = load("[http]\nlisten = \"0.0.0.0:5000\"\n", &[]).unwrap_err().to_string();
    assert!(error.contains("allow_anonymous = true"), "{error}");
    assert!(load("[http]\nlisten = \"0.0.0.0:5000\"\nallow_anonymous = true\n", &[]).is_ok());
    assert!(load("[http]\nlisten = \"[::1]:5000\"\n", &[]).is_ok());
}

#[test]
fn a_missing_file_is_named() {
    let error = Config::load(Some(Path::new("no/such/file.toml")), Overrides::default())
        .unwrap_err()
        .to_string();
    assert!(error.contains("no/such/file.toml"), "{error}");
}
