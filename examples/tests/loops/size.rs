//! An example that is not short shows that core leaves too much to do. The program's lines count too.

use crate::lines::code_lines;

const EXAMPLES: [(&str, [&str; 2]); 3] = [
    ("threads", [include_str!("../../src/loops/threads.rs"), include_str!("../../programs/threads.rs")]),
    ("mio", [include_str!("../../src/loops/mio.rs"), include_str!("../../programs/mio.rs")]),
    ("frames", [include_str!("../../src/loops/frames.rs"), include_str!("../../programs/frames.rs")]),
];

#[test]
fn each_example_has_less_than_250_lines_of_code() {
    for (name, files) in EXAMPLES {
        let lines = files.map(code_lines).iter().sum::<usize>();
        println!("{name}: {lines} lines");
        assert!((100..250).contains(&lines), "{name}: {lines} lines");
    }
}
