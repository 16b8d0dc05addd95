//! Good and bad configurations.

use std::time::Duration;

use super::*;

fn load(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let variables = Variables::of(variables);
    Config::from_parts(Path::new("portolan.toml"), text, &variables, Overrides::default())
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
    check(
        "[registry]\nupload_idle_max = 5\n",
        &["line 2", "invalid type: integer", "expected a time such as \"500ms\""],
    );
    check(
        "[registry]\nmissing_references = \"maybe\"\n",
        &["line 2", "`reject` or `accept`"],
    );
    check("[nothing]\n", &["line 1", "unknown field `nothing`"]);
    check("[http\n", &["line 1"]);
    check("[auth]\nhidden = [\"secret/\"]\n", &["line 2", "hidden", "write \"secret\""]);
    check("[auth]\nhidden = [\"a\", \"\"]\n", &["line 2", "the empty prefix"]);
    check(
        "[auth]\nhidden = [\n  \"Secret\",\n]\n",
        &["line 2", "prefix \"Secret\" covers no repository"],
    );
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
    assert_eq!(config.http.listen.port(), 2);
    assert_eq!(
        (config.registry.push_tags_max, config.registry.upload_idle_max),
        (7, Duration::from_secs(7_200))
    );
    assert_eq!(config.auth.hidden.iter().collect::<Vec<_>>(), ["secret"]);
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

#[test]
fn values_that_cannot_be_used_are_refused_all_at_once_with_their_places() {
    let text = "[http]\nconnections_max = 0\n\n[plugins.plugin.example.limits]\nmemory_bytes_max = \"5 GiB\"\n";
    let error = load(text, &[("PORTOLAN_REGISTRY__PUSH_TAGS_MAX", "0")])
        .unwrap_err()
        .to_string();
    let expected = [
        "PORTOLAN_REGISTRY__PUSH_TAGS_MAX: [registry] push_tags_max: 0 is too little, the least is 1",
        "portolan.toml:2: [http] connections_max: 0 is too little, the least is 16",
        "portolan.toml:5: [plugins.plugin.example.limits] memory_bytes_max: 5 GiB is too much, the most is 4 GiB",
    ];
    assert_eq!(error.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn nonsense_is_refused() {
    let nonsense = [
        "[http]\nhead_max = \"0s\"",
        "[http]\npause_max = \"400d\"",
        "[http]\nconnections_max = 100\nconnections_per_peer_max = 101",
        "[http]\nin_flight_bytes_max = \"1 MiB\"",
        "[http]\nshutdown_max = \"9999999999h\"",
        "[http]\norigin = \"registry.example\"",
        "[http]\norigin = \"ftp://registry.example\"",
        "[http]\norigin = \"https://registry.example/\"",
        "[http]\norigin = \"https://user@registry.example\"",
        "[http]\norigin = \"https://registry.example?x=1\"",
        "[http]\norigin = \"\"",
        "[storage]\npath = \"/dev/null/data\"",
        "[registry]\nmanifest_bytes_max = \"1 B\"",
        "[registry]\nmanifest_bytes_max = \"100 GiB\"",
        "[registry]\nblob_bytes_max = \"0 B\"",
        "[registry]\nuploads_max = 0",
        "[registry]\nupload_idle_max = \"0s\"",
        "[plugins]\nfolder = \"no/such/folder\"",
        "[plugins]\nthreads = 0",
        "[plugins]\nthreads = 1000000",
        "[plugins]\nqueue_max = 0",
        "[plugins]\nqueue_wait_max = \"0s\"",
        "[plugins]\ncomponent_bytes_max = \"0 B\"",
        "[plugins]\ncompile_memory_bytes_max = \"1 KiB\"",
        "[plugins]\ncompile_time_max = \"0s\"",
        "[plugins.limits]\nmemory_bytes_max = \"1 B\"",
        "[plugins.limits]\ncall_time_max = \"0s\"",
        "[plugins.limits]\nhandles_max = 0",
        "[plugins.limits]\ntransfer_bytes_max = \"0 B\"",
        "[services]\nbody_bytes_max = \"0 B\"",
        "[services]\ncache_bytes_max = \"1000000 GiB\"",
        "[log]\nlevel = \"info,portolan=loud\"",
    ];
    for text in nonsense {
        let error = load(text, &[]).expect_err(text).to_string();
        // What is wrong stands on the last line.
        let place = format!("portolan.toml:{}: [", text.lines().count());
        assert!(error.starts_with(&place), "{text}: {error}");
    }
}

#[test]
fn origins_may_carry_a_path() {
    for origin in [
        "https://registry.example",
        "http://[::1]:5000",
        "https://example.com/tools/registry",
    ] {
        let config = load(&format!("[http]\norigin = \"{origin}\""), &[]).unwrap();
        assert_eq!(config.http.origin.as_deref(), Some(origin));
    }
}
