//! What the benchmark ran on.

use std::{fs, path::Path, process::Command};

/// Describes the machine, the disk of a folder and the state of the repository, a line each.
pub(super) fn describe(folder: &Path) -> Vec<(&'static str, String)> {
    let field = |file: &str, key: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let value = text.lines().find_map(|line| {
            line.strip_prefix(key)?
                .split_once(':')
                .map(|(_, value)| value.trim().to_owned())
        });
        value.unwrap_or_else(|| "unknown".into())
    };
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let memory_kib: u64 = field("/proc/meminfo", "MemTotal")
        .trim_end_matches(" kB")
        .parse()
        .unwrap_or_default();
    let folder = folder.display().to_string();
    vec![
        (
            "Processor",
            format!("{cores} cores of {}", field("/proc/cpuinfo", "model name")),
        ),
        ("Memory", format!("{:.0} GiB", memory_kib as f64 / f64::from(1 << 20))),
        (
            "System",
            format!(
                "Linux {}",
                fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim()
            ),
        ),
        ("Disk", output("findmnt", &["-no", "SOURCE,FSTYPE", "--target", &folder])),
        ("Date", output("date", &["-u", "+%F %H:%M UTC"])),
        ("Commit", output("git", &["describe", "--always", "--dirty"])),
    ]
}

/// Returns what a command prints, or that it is not known.
fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(crate::process::repository())
        .output();
    let text = output
        .ok()
        .filter(|output| output.status.success())
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    text.map_or_else(
        || "unknown".into(),
        |text| text.split_whitespace().collect::<Vec<_>>().join(" "),
    )
}
