//! The machine.

use std::process::Command;

/// What the machine is, in one line that names nobody.
pub(crate) fn description() -> String {
    let model = std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = nix::sys::utsname::uname()
        .map(|name| format!("{} {}", name.sysname().to_string_lossy(), name.release().to_string_lossy()));
    let compiler = Command::new("rustc").arg("--version").output().ok();
    let compiler = compiler.and_then(|output| String::from_utf8(output.stdout).ok());
    format!(
        "{}, {cores} cores; {}; {}. Median (minimum-maximum); both processes on one core.",
        model.as_deref().unwrap_or("an unknown processor"),
        kernel.as_deref().unwrap_or("an unknown kernel"),
        compiler.as_deref().map_or("an unknown compiler", str::trim),
    )
}
