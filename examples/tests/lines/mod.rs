//! How long an example is.

/// How many lines of code there are before the tests: those that are not empty, without comments and imports.
pub(crate) fn code_lines(text: &str) -> usize {
    let mut importing = false;
    let is_code = |line: &&str| {
        let line = line.trim();
        let imports = importing || line.starts_with("use ");
        importing = imports && !line.ends_with(';');
        !(imports || line.is_empty() || line.starts_with("//"))
    };
    text.lines().take_while(|line| *line != "#[test]").filter(is_code).count()
}
