//! Lists of callers in files: read when the rule is, again while it is in use, whole or not at all.

use std::{fs, path::Path, process::Command, time::Duration};

use tempfile::TempDir;
use tower_identity_core::{InvalidSetting, RefusalKind};
use tower_identity_inbound::{
    Inbound, Rule,
    rule::{callers, callers_file, no_user, scope, user},
};
use tower_identity_testkit::{LogCapture, ManualClock, TestCaller};

use super::support::eventually;

const FILE: &str = "partners.txt";

/// A rule over a file, and a clock that the test moves.
struct Watched {
    folder: TempDir,
    clock: ManualClock,
    rule: Rule,
}

impl Watched {
    fn of(text: &str) -> Self {
        let (folder, clock) = (tempfile::tempdir().expect("a folder"), ManualClock::new());
        fs::write(folder.path().join(FILE), text).expect("written");
        let rule = callers_file(FILE).read_files(folder.path(), &clock.clock()).expect("a list");
        Self { folder, clock, rule }
    }

    /// The same, with a watcher that has had its first look.
    async fn begun(text: &str) -> Self {
        let watched = Self::of(text);
        watched.clock.sleepers(1).await;
        watched
    }

    fn write(&self, text: impl AsRef<[u8]>) {
        fs::write(self.folder.path().join(FILE), text).expect("written");
    }

    /// Moves time on, and waits until the watcher has done what it does then and sleeps again.
    async fn after(&self, seconds: u64) {
        self.clock.sleepers(1).await;
        self.clock.advance(Duration::from_secs(seconds));
        eventually(|| self.clock.next_wake().is_some_and(|wake| !wake.is_zero())).await;
    }

    /// Whether each of these workloads may come in.
    fn lets_in<const N: usize>(&self, ids: [&str; N]) -> [bool; N] {
        ids.map(|id| check(&self.rule, id).is_ok())
    }
}

fn check(rule: &Rule, id: &str) -> Result<(), (RefusalKind, &'static str)> {
    let inbound = Inbound::Caller(TestCaller::workload(id).scope("a").context());
    rule.check(&inbound).map_err(|refusal| (refusal.kind().clone(), refusal.check()))
}

fn events(logs: &LogCapture) -> Vec<String> {
    let text = logs.text();
    let of_rules = text.lines().filter_map(|line| line.trim_start().split_once(" tower_identity::rule: "));
    let told = of_rules.map(|(level, rest)| {
        let message = rest.split(" file=").next().expect("a message");
        format!("{level} {message}")
    });
    told.collect()
}

const READ: &str = "INFO callers read";
const REFUSED: &str = "WARN callers refused: those before them stay";

#[test]
fn a_file_that_is_too_large_is_refused_and_never_cut_short() {
    let folder = tempfile::tempdir().expect("a folder");
    let read = |bytes: usize| {
        fs::write(folder.path().join(FILE), "orders\n".repeat(bytes.div_ceil(7)).split_at(bytes).0).expect("written");
        callers_file(FILE).read_files(folder.path(), &ManualClock::new().clock()).map(drop).map_err(|it| it.to_string())
    };
    assert_eq!(read(64 * 1024), Ok(()));
    for bytes in [64 * 1024 + 1, 128 * 1024] {
        let refused = read(bytes).expect_err("too large");
        assert!(refused.ends_with("is larger than 65536 bytes"), "{refused}");
    }
}

#[tokio::test]
async fn another_list_counts_when_it_has_stood_for_a_second() {
    let watched = Watched::begun("orders\n").await;
    let logs = LogCapture::start();
    assert_eq!(watched.lets_in(["orders", "stock"]), [true, false]);
    watched.write("stock\n");
    watched.after(4).await;
    assert_eq!(watched.lets_in(["orders", "stock"]), [true, false], "it was not looked at yet");
    watched.after(1).await;
    assert_eq!(watched.lets_in(["orders", "stock"]), [true, false], "it may be half written");
    watched.after(1).await;
    assert_eq!(watched.lets_in(["orders", "stock"]), [false, true]);
    assert_eq!(events(&logs), [READ]);
    // Nothing is told, nor waited for, while it stays as it is.
    watched.after(5).await;
    watched.after(5).await;
    assert_eq!((watched.lets_in(["orders", "stock"]), events(&logs).len()), ([false, true], 1));
    let denied = Err((RefusalKind::Denied, "callers_file"));
    assert_eq!((check(&watched.rule, "orders"), check(&watched.rule, "stock")), (denied, Ok(())));
}

#[tokio::test]
async fn a_list_that_is_being_written_is_waited_for() {
    let watched = Watched::begun("orders\n").await;
    assert_eq!(watched.lets_in(["orders", "stock", "sto"]), [true, false, false]);
    watched.write("sto");
    watched.after(5).await;
    watched.write("stock\norders\n");
    watched.after(1).await;
    assert_eq!(watched.lets_in(["orders", "stock", "sto"]), [true, false, false]);
    watched.after(1).await;
    assert_eq!(watched.lets_in(["orders", "stock", "sto"]), [true, true, false]);
}

#[tokio::test]
async fn a_bad_file_is_refused_whole_and_told_once_and_the_old_list_stays() {
    let watched = Watched::begun("orders\n").await;
    assert_eq!(watched.lets_in(["orders", "stock"]), [true, false]);
    let bad: [&[u8]; 4] = [b"stock\nnot a name\n", b"", b"stock\n\xff\n", &[b'#'; 64 * 1024 + 1]];
    for text in bad {
        let logs = LogCapture::start();
        watched.write(text);
        watched.after(5).await;
        watched.after(1).await;
        for _ in 0..3 {
            watched.after(5).await;
        }
        assert_eq!(watched.lets_in(["orders", "stock"]), [true, false], "{}", text.escape_ascii());
        assert_eq!(events(&logs), [REFUSED]);
    }
    let logs = LogCapture::start();
    fs::remove_file(watched.folder.path().join(FILE)).expect("removed");
    for seconds in [5, 1, 5, 5] {
        watched.after(seconds).await;
    }
    assert_eq!((watched.lets_in(["orders", "stock"]), events(&logs)), ([true, false], vec![REFUSED.to_owned()]));
    assert!(logs.text().contains("error=\"cannot be read: entity not found\""), "{}", logs.text());
    // The control: a good one, and the same that stands already.
    watched.write("stock\n");
    watched.after(5).await;
    watched.after(1).await;
    assert_eq!((watched.lets_in(["orders", "stock"]), events(&logs).len()), ([false, true], 2));
}

#[tokio::test]
async fn the_watcher_begins_as_the_file_is_read_and_ends_with_the_last_clone() {
    let watched = Watched::begun("orders\n").await;
    let clone = watched.rule.clone();
    for _ in 0..3 {
        assert_eq!((check(&watched.rule, "orders"), check(&clone, "orders")), (Ok(()), Ok(())));
        watched.clock.sleepers(1).await;
    }
    assert_eq!(watched.clock.asleep(), 1, "one for all clones");
    let Watched { clock, rule, folder } = watched;
    drop(rule);
    tokio::task::yield_now().await;
    assert_eq!(clock.asleep(), 1);
    drop((clone, folder));
    eventually(|| clock.asleep() == 0).await;
}

#[tokio::test]
async fn who_was_taken_off_a_list_is_off_it_also_where_nobody_asked_since() {
    let watched = Watched::begun("orders\nstock\n").await;
    watched.write("orders\n");
    watched.after(5).await;
    watched.after(1).await;
    assert_eq!(watched.lets_in(["orders", "stock"]), [true, false]);
    // A list of nobody says so.
    watched.write("# closed\n");
    watched.after(5).await;
    watched.after(1).await;
    assert_eq!(watched.lets_in(["orders", "stock"]), [false, false]);
}

#[test]
fn without_a_runtime_the_list_is_as_it_was_read_and_the_next_runtime_watches_it() {
    let watched = Watched::of("orders\n");
    assert_eq!(watched.lets_in(["orders", "stock"]), [true, false]);
    watched.write("stock\n");
    assert_eq!(watched.lets_in(["orders", "stock"]), [true, false]);
    for _ in 0..2 {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let _ = watched.lets_in(["orders"]);
            // It is looked at as soon as it is watched: who was taken off long ago is not let in for five seconds more.
            watched.after(1).await;
        });
        drop(runtime);
        assert_eq!(watched.lets_in(["orders", "stock"]), [false, true]);
    }
}

#[test]
fn a_rule_whose_file_was_not_read_lets_nobody_in() {
    let everything = |rule: &Rule| check(rule, "orders");
    let unread = |rule: Rule, path: &str| {
        assert_eq!(everything(&rule), Err((RefusalKind::Misconfigured, "rule")), "{rule}");
        let fault = rule.valid().expect_err("not read").to_string();
        assert_eq!(fault, format!("{path}: was not read: Rule::read_files does"));
    };
    unread(callers_file(FILE), "callers_file");
    unread(callers_file(FILE).and(no_user()), "all[0].callers_file");
    unread(scope("a").or(callers_file(FILE)), "any[1].callers_file");
    unread(scope("a").or(user().and(callers_file(FILE))), "any[1].all[1].callers_file");
    let read: Rule = serde_json::from_str(r#"{"any":[{"scope":"a"},{"callers_file":"partners.txt"}]}"#).expect("reads");
    assert_eq!(read, scope("a").or(callers_file(FILE)));
    unread(read, "any[1].callers_file");
    // The control: read.
    let clock = ManualClock::new().clock();
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join(FILE), "orders").expect("written");
    let rule = callers_file(FILE).and(no_user()).read_files(folder.path(), &clock).expect("a list");
    assert_eq!(everything(&rule), Ok(()));
    assert_eq!(rule.to_string(), "a caller listed in partners.txt and no user");
}

#[test]
fn a_file_that_is_no_list_refuses_the_rule_and_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = ManualClock::new().clock();
    let in_it = |name: &str| folder.path().join(name).display().to_string();
    fs::write(folder.path().join("good"), "orders").expect("written");
    fs::write(folder.path().join("bad"), "orders\nthe shop").expect("written");
    assert!(Command::new("mkfifo").arg(folder.path().join("pipe")).status().expect("it runs").success());
    let read = |rule: Rule| rule.read_files(folder.path(), &clock).map(drop).map_err(|wrong| wrong.to_string());
    let cases = [
        (callers_file("good"), Ok(())),
        (callers_file(folder.path().join("good")), Ok(())),
        (
            callers_file("bad"),
            Err(format!(
                "callers_file: {}: line 2 is neither a name, nor a name and the URI of its issuer",
                in_it("bad")
            )),
        ),
        (
            scope("a").and(user().or(callers_file("none"))),
            Err(format!("all[1].any[1].callers_file: {}: cannot be read: entity not found", in_it("none"))),
        ),
        (callers_file(""), Err(format!("callers_file: {}: cannot be read: is a directory", in_it("")))),
        (callers_file("pipe"), Err(format!("callers_file: {}: cannot be read: unsupported", in_it("pipe")))),
        (callers_file("good").and(scope("")), Err("all[1].scope: is empty".to_owned())),
        (scope("a"), Ok(())),
    ];
    for (rule, expected) in cases {
        assert_eq!(read(rule.clone()), expected, "{rule:?}");
    }
    let empty = callers_file("").valid().expect_err("no name");
    assert_eq!(empty, InvalidSetting::new("callers_file", "is empty"));
    let not_beside = callers_file("good").read_files(Path::new("/nowhere"), &clock).expect_err("another folder");
    assert_eq!(not_beside.to_string(), "callers_file: /nowhere/good: cannot be read: entity not found");
}

#[test]
fn no_user_may_stand_beside_a_file_of_callers_as_beside_a_list() {
    let clock = ManualClock::new().clock();
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join(FILE), "orders").expect("written");
    let run = callers_file(FILE).and(no_user()).read_files(folder.path(), &clock).expect("a list");
    let nobody_before: [&str; 0] = [];
    let as_alice = TestCaller::workload("orders").user("alice").acting_after(nobody_before);
    let as_alice = Inbound::Caller(as_alice.context());
    assert_eq!(run.check(&as_alice).map_err(|refusal| refusal.check()), Err("user"));
    assert_eq!((check(&run, "orders"), check(&run, "stock")), (Ok(()), Err((RefusalKind::Denied, "callers_file"))));
    assert_eq!(callers(["orders"]).and(no_user()).valid().map(drop), Ok(()));
}
