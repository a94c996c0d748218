//! Disks that cannot be written.

use super::*;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// As root, who may write everywhere, the child runs as this user.
const NOBODY: u32 = 65_534;

/// A process whose files may not become larger than a few pages sees what a full disk looks like.
#[test]
fn a_disk_that_is_full_for_a_while() {
    let path = filled("full", 10);
    // Without the signal, the system answers with an error.
    let mut command = Command::new("sh");
    let child = child::command("fill the disk", &path);
    command.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"]).arg(child.get_program()).args(child.get_args());
    command.envs(child.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = command.output().unwrap();
    let text = format!(
        "{}/{PEERS_FILE} cannot be written: File too large (os error 27); make some room on the disk",
        path.display()
    );
    assert_eq!(child::printed(&output.stdout), [text.as_str(), &text, "saved", "20010 peers"].join("\n"));
    assert_eq!(Repo::open(&path).unwrap().peers().unwrap().len(), 20_010);
}

/// The child.
pub(crate) fn fill(path: &std::ffi::OsStr) {
    let mut repo = Repo::open(path).unwrap();
    let size = fs::metadata(Path::new(path).join(PEERS_FILE)).unwrap().len();
    let (_, hard) = rlimit::Resource::FSIZE.get().unwrap();
    let limit = |limit| rlimit::Resource::FSIZE.set(limit, hard).unwrap();
    limit(size);
    let many: Vec<_> = (1_000..21_000).map(added).collect();
    for _ in 0..2 {
        child::say(repo.save(&many).unwrap_err());
    }
    assert_eq!(repo.peers().unwrap().len(), 10, "all or nothing");
    limit(hard);
    repo.save(&many).unwrap();
    child::say("saved");
    child::say(format_args!("{} peers", repo.peers().unwrap().len()));
}

#[test]
fn places_that_cannot_be_written() {
    let path = filled("read_only", 3);
    let parent = path.parent().unwrap();
    let fresh = parent.join("fresh");
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    set(&path.join(PEERS_FILE), 0o444);
    set(&path, 0o555);
    set(parent, 0o555);
    let run = |what: &str, path: &Path| {
        let mut child = child::command(what, path);
        if fs::File::create(parent.join("probe")).is_ok() {
            child.uid(NOBODY).gid(NOBODY);
        }
        // Where that user cannot reach the tests' program there is nothing to see.
        child.output().ok().map(|output| child::printed(&output.stdout))
    };
    let table = [
        (
            "open",
            &path,
            "PATH/peers.redb cannot be written: Permission denied (os error 13); a repo needs a directory that can be written",
        ),
        (
            "open",
            &fresh,
            "PATH cannot be written: Permission denied (os error 13); a repo needs a directory that can be written",
        ),
        ("read", &path, "3 peers"),
    ];
    for (what, path, expected) in table {
        if let Some(text) = run(what, path) {
            assert_eq!(text, expected.replace("PATH", path.to_str().unwrap()), "{what}");
        }
    }
    set(&path.join(PEERS_FILE), 0o600);
    set(&path, 0o700);
    set(parent, 0o700);
}
