use std::fs::FileTimes;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::*;
use crate::engine::Machine;

/// A cache of its own and an engine, with what compiles to nearly nothing.
struct Rig {
    _dir: TempDir,
    cache: Cache,
    engine: Engine,
    component: Component,
}

fn rig(size: u64) -> Rig {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(&dir.path().join("cache"), size).unwrap();
    let engine = Machine::new(1, 1 << 20, false).unwrap().engine.clone();
    let component = Component::from_binary(&engine, &wat::parse_str("(component)").unwrap()).unwrap();
    Rig { _dir: dir, cache, engine, component }
}

impl Rig {
    /// Keeps it under a name, used so many seconds after a time long ago, and answers its file.
    fn store(&self, wasm: &str, used: u64) -> PathBuf {
        self.cache.store(&self.engine, wasm, &self.component);
        let path = self.cache.path(&self.engine, wasm);
        set_used(&path, used);
        path
    }

    fn refusal(&self, path: &Path) -> String {
        self.cache.read(&self.engine, path).unwrap_err().to_string()
    }

    fn names(&self) -> Vec<PathBuf> {
        let mut names: Vec<_> =
            fs::read_dir(self.cache.dir()).unwrap().map(|file| file.unwrap().path()).collect();
        names.retain(|path| path.file_name().unwrap() != "key");
        names.sort();
        names
    }
}

fn set_used(path: &Path, used: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + used);
    File::open(path).unwrap().set_times(FileTimes::new().set_modified(time)).unwrap();
}

#[test]
fn refuses_a_directory_that_others_write_to() {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let refusal = Cache::open(dir.path(), u64::MAX).unwrap_err();
    assert!(refusal.to_string().contains("chmod 700"), "{refusal}");
}

#[test]
fn refuses_a_directory_whose_key_is_no_secret() {
    let rig = rig(u64::MAX);
    fs::set_permissions(rig.cache.dir().join("key"), fs::Permissions::from_mode(0o644)).unwrap();
    let refusal = Cache::open(rig.cache.dir(), u64::MAX).unwrap_err().to_string();
    assert!(refusal.starts_with("its key is not used: ") && refusal.contains("mode 644"), "{refusal}");
}

#[test]
fn makes_a_directory_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/b");
    let cache = Cache::open(&path, u64::MAX).unwrap();
    assert_eq!(fs::metadata(&cache.dir).unwrap().mode() & 0o777, 0o700);
}

#[test]
fn refuses_a_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(Cache::open(file.path(), u64::MAX).is_err());
}

#[test]
fn loads_what_it_stored_and_marks_it_as_used() {
    let rig = rig(u64::MAX);
    assert!(rig.cache.load(&rig.engine, "a").is_none(), "nothing is there yet");
    let path = rig.store("a", 0);
    let old = fs::metadata(&path).unwrap().modified().unwrap();
    assert!(rig.cache.load(&rig.engine, "a").is_some());
    assert!(fs::metadata(&path).unwrap().modified().unwrap() > old, "it counts as unused");
}

#[test]
fn an_entry_that_was_changed_is_told() {
    let rig = rig(u64::MAX);
    let path = rig.store("a", 0);
    let good = fs::read(&path).unwrap();
    let last = good.len() - 1;
    // In the code, and in the MAC.
    for at in [0, good.len() / 2, last - 32, last - 31, last] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&path, bad).unwrap();
        assert!(rig.refusal(&path).starts_with("it is torn, was changed or renamed"));
        assert!(rig.cache.load(&rig.engine, "a").is_none(), "byte {at} of {last} was changed");
    }
}

#[test]
fn an_entry_that_was_cut_is_told() {
    let rig = rig(u64::MAX);
    let path = rig.store("a", 0);
    let good = fs::read(&path).unwrap();
    for length in [0, 10, 32, good.len() / 2, good.len() - 32, good.len() - 1] {
        fs::write(&path, &good[..length]).unwrap();
        assert!(rig.cache.load(&rig.engine, "a").is_none(), "{length} bytes are left");
    }
}

#[test]
fn an_entry_under_anothers_name_is_told() {
    let rig = rig(u64::MAX);
    let (a, b) = (rig.store("a", 0), rig.store("b", 0));
    fs::rename(a, &b).unwrap();
    assert!(rig.cache.load(&rig.engine, "b").is_none());
    assert!(rig.refusal(&b).contains("renamed"));
}

#[test]
fn an_entry_of_another_key_is_told_and_replaced() {
    let rig = rig(u64::MAX);
    let path = rig.store("a", 0);
    fs::remove_file(rig.cache.dir().join("key")).unwrap();
    assert!(rig.refusal(&path).contains("another key"));
    rig.store("a", 0);
    assert!(rig.cache.load(&rig.engine, "a").is_some());
}

#[test]
fn the_least_recently_used_goes_and_the_new_one_stays() {
    let mut rig = rig(u64::MAX);
    let (a, b) = (rig.store("a", 1), rig.store("b", 2));
    let one = fs::metadata(&a).unwrap().len();
    rig.cache.size = 2 * one;
    // The older one is used again.
    assert!(rig.cache.load(&rig.engine, "a").is_some());
    let c = rig.store("c", 0);
    rig.cache.make_room(&rig.engine, "c");
    assert_eq!(rig.names(), sorted([a, c.clone()]), "`{}` goes", b.display());
    rig.cache.size = 0;
    rig.cache.make_room(&rig.engine, "c");
    assert_eq!(rig.names(), [c]);
}

#[test]
fn what_was_left_half_written_goes() {
    let rig = rig(u64::MAX);
    let (old, new) = (rig.cache.dir().join(".1.a.tmp"), rig.cache.dir().join(".2.b.tmp"));
    for (path, used) in [(&old, 0), (&new, 3_601)] {
        fs::write(path, "half").unwrap();
        set_used(path, used);
    }
    let entry = rig.store("a", 3_602);
    rig.cache.make_room(&rig.engine, "a");
    assert_eq!(rig.names(), sorted([entry, new]));
}

#[test]
fn writers_and_readers_at_the_same_time_see_whole_entries() {
    let rig = rig(1);
    std::thread::scope(|scope| {
        for name in ["a", "b", "a", "b"] {
            let rig = &rig;
            scope.spawn(move || {
                for _ in 0..50 {
                    rig.cache.store(&rig.engine, name, &rig.component);
                    rig.cache.make_room(&rig.engine, name);
                    rig.cache.read(&rig.engine, &rig.cache.path(&rig.engine, name)).unwrap();
                }
            });
        }
    });
    assert!(rig.names().iter().all(|path| path.extension().unwrap() == "cwasm"));
}

#[test]
fn hexadecimal() {
    assert_eq!(hex([0, 0x1f, 0xff]), "001fff");
}

fn sorted<const N: usize>(mut paths: [PathBuf; N]) -> [PathBuf; N] {
    paths.sort();
    paths
}
