//! An example that is not short shows that core leaves too much to do. Counted are lines of code, the program's included: those that are not
//! empty, without comments, imports and tests.

const EXAMPLES: [(&str, [&str; 2]); 3] = [
    ("threads", [include_str!("../../src/loops/threads.rs"), include_str!("../../programs/threads.rs")]),
    ("mio", [include_str!("../../src/loops/mio.rs"), include_str!("../../programs/mio.rs")]),
    ("frames", [include_str!("../../src/loops/frames.rs"), include_str!("../../programs/frames.rs")]),
];

/// Lines of code, counted as said above.
fn code_lines(text: &str) -> usize {
    let mut importing = false;
    let is_code = |line: &&str| {
        let line = line.trim();
        let imports = importing || line.starts_with("use ");
        importing = imports && !line.ends_with(';');
        !(imports || line.is_empty() || line.starts_with("//"))
    };
    text.lines().take_while(|line| *line != "#[test]").filter(is_code).count()
}

#[test]
fn each_example_has_less_than_250_lines_of_code() {
    for (name, files) in EXAMPLES {
        let lines = files.map(code_lines).iter().sum::<usize>();
        println!("{name}: {lines} lines");
        assert!((100..250).contains(&lines), "{name}: {lines} lines");
    }
}
