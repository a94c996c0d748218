//! Peer files of every kind of damage: reported, and left as they are.

use super::*;

/// Puts `bytes` in the place of the peer file, opens the repo, and gives its peers or the reason of the damage.
#[track_caller]
fn open(path: &Path, bytes: &[u8]) -> Result<Vec<StoredPeer>, String> {
    let file = path.join(PEERS_FILE);
    fs::write(&file, bytes).unwrap();
    let read = RepoReader::open(path).and_then(|reader| reader.peers());
    assert!(fs::read(&file).unwrap() == bytes, "a reader has changed the file");
    match Repo::open(path).and_then(|mut repo| repo.peers()) {
        Ok(peers) => {
            assert!(read.is_ok_and(|read| read == peers));
            Ok(peers)
        }
        Err(RepoError::Damaged { path: damaged, reason }) => {
            assert!(
                matches!(read, Err(RepoError::Damaged { reason: same, .. }) if same == reason),
                "{reason}"
            );
            assert_eq!(damaged, file);
            assert!(fs::read(&file).unwrap() == bytes, "a damaged file was changed: {reason}");
            Err(reason)
        }
        Err(other) => panic!("{other:?}"),
    }
}

fn good(test: &str) -> (PathBuf, Vec<u8>, Vec<StoredPeer>) {
    let path = filled(test, 300);
    let peers = Repo::open(&path).unwrap().peers().unwrap();
    (path.clone(), fs::read(path.join(PEERS_FILE)).unwrap(), peers)
}

#[test]
fn files_that_are_no_database() {
    let (path, good, _) = good("no_database");
    let table = [
        (b"hello world".to_vec(), "it is no redb database"),
        (vec![0; good.len()], "it is no redb database"),
        (vec![0xff; 100_000], "it is no redb database"),
        (Vec::new(), "it is empty"),
        (good[..100].to_vec(), "it is cut off"),
    ];
    for (bytes, reason) in table {
        assert_eq!(open(&path, &bytes), Err(reason.to_owned()), "{} bytes", bytes.len());
    }
    let error = Repo::open(&path).unwrap_err();
    assert_text(
        &error,
        &path.join(PEERS_FILE),
        "PATH is damaged (it is cut off) and was left as it is; put a copy of it back, or move it away to \
         start with an empty peer book",
    );
}

#[test]
fn files_that_are_cut_off() {
    let (path, good, _) = good("cut_off");
    for part in 1..40 {
        let result = open(&path, &good[..good.len() * part / 40]);
        assert!(result.is_err(), "{part}/40: {result:?}");
    }
}

/// Either it does not matter, or it is found: nothing is lost or changed unnoticed.
#[test]
fn flipped_bits_and_zeroed_pages() {
    const PAGE: usize = 4_096;
    let (path, good, peers) = good("flipped");
    let mut found = 0;
    let mut check = |bytes: &[u8], what: String| match open(&path, bytes) {
        Ok(got) => assert!(got == peers, "{what}"),
        Err(_) => found += 1,
    };
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    // The header by the byte, then every page in use.
    for at in (0..320).step_by(3) {
        check(&flipped(at), format!("byte {at}"));
    }
    for start in (0..good.len()).step_by(PAGE) {
        let page = start..good.len().min(start + PAGE);
        if good[page.clone()].iter().all(|&byte| byte == 0) {
            continue;
        }
        for at in [0, 1, 4, 100, 2_000] {
            check(&flipped(start + at), format!("byte {}", start + at));
        }
        let mut zeroed = good.clone();
        zeroed[page].fill(0);
        check(&zeroed, format!("page {}", start / PAGE));
    }
    assert!(found > 50, "{found}");
}
