//! The same mesh, each of its four programs a process of its own, in an environment that names a proxy.

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use cargo_metadata::Message;
use serde_json::Value;

use crate::demo::{Moved, PARTS, Person};

/// Builds the programs, as they are not this package's, and says where they are.
///
/// Of the whole workspace, with one of its tests: so crates have the features that `cargo test --workspace` gives them,
/// and none is compiled a second time, with fewer. Programs alone would be built without what tests add.
fn programs() -> Vec<PathBuf> {
    let mut build = Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--locked", "--workspace", "--bins", "--test=program"])
        .arg("--message-format=json-render-diagnostics")
        .stdout(Stdio::piped())
        .spawn()
        .expect("cargo runs this test");
    let output = BufReader::new(build.stdout.take().expect("piped"));
    let built: Vec<_> = Message::parse_stream(output)
        .filter_map(|message| match message.expect("cargo's own messages") {
            Message::CompilerArtifact(artifact) => artifact.executable.map(PathBuf::from),
            _ => None,
        })
        .collect();
    assert!(build.wait().expect("cargo ends").success());
    let named = |part: &str| {
        let name = format!("demo-{part}");
        built.iter().find(|path| path.file_stem().is_some_and(|stem| stem == name.as_str())).cloned()
    };
    PARTS.map(|part| named(part).unwrap_or_else(|| panic!("no program {part} among {built:?}"))).into()
}

/// A process that is killed with its test.
struct Program(Child);

impl Program {
    /// Starts a program and waits until it says that it listens.
    fn start(program: &PathBuf, shop: &Moved, part: &str, proxy: &str) -> Self {
        let mut command = Command::new(program);
        for variable in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
            command.env(variable, proxy);
        }
        command.env_remove("NO_PROXY").env_remove("no_proxy").env_remove("RUST_LOG");
        let mut child = command
            .arg("--settings")
            .arg(shop.file(part))
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program was just built");
        let mut log = BufReader::new(child.stderr.take().expect("piped")).lines();
        let listens = log.by_ref().map_while(Result::ok).find(|line| line.contains(&format!("{part} listens")));
        assert!(listens.is_some(), "{part} ended before it listened");
        // Read to its end, so that the program never waits for its log to be read.
        thread::spawn(move || log.for_each(drop));
        Self(child)
    }

    /// Ctrl-C, and what the program makes of it.
    fn interrupt(mut self) -> Option<i32> {
        let kill = Command::new("kill").args(["-INT", &self.0.id().to_string()]).status().expect("kill");
        assert!(kill.success());
        self.0.wait().expect("ends").code()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Counts who connects, and answers nobody.
fn proxy() -> (String, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("bound"));
    let connections = Arc::<AtomicU32>::default();
    let count = Arc::clone(&connections);
    thread::spawn(move || {
        for _ in listener.incoming() {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    (address, connections)
}

#[tokio::test]
async fn four_processes_carry_one_identity_and_use_no_proxy_of_the_environment() {
    let (shop, (proxy, seen_by_proxy)) = (Moved::new(), proxy());
    let start = |program: &PathBuf, part| Program::start(program, &shop, part, &proxy);
    let mut running: Vec<_> = programs().iter().zip(PARTS).map(|(program, part)| start(program, part)).collect();
    let person = Person::of(&shop);
    let (alice, carol) = (person.sign_in("alice").await, person.sign_in("carol").await);

    let order = person.order(&alice).await;
    assert_eq!(order.status(), 201);
    let trace: Value = person.get("storefront", "/trace", &alice).await.json().await.expect("json");
    let ids = |of: &Value| of.as_array().into_iter().flatten().map(|one| one["id"].clone()).collect::<Vec<_>>();
    let hops: Vec<_> = trace.as_array().expect("hops").iter().map(|hop| &hop["principal"]).collect();
    let seen: Vec<_> =
        hops.iter().map(|p| (&p["audience"], &p["caller"]["id"], &p["user"]["id"], ids(&p["actors"]))).collect();
    assert_eq!(
        serde_json::to_value(seen).expect("json"),
        serde_json::json!([
            ["storefront", "storefront-web", "alice", []],
            ["orders", "storefront", "alice", ["storefront"]],
            ["payments", "orders", "alice", ["orders", "storefront"]],
        ])
    );
    let settled: Value = {
        let request = person.client.post(shop.url("orders", "/settlements/run"));
        request.send().await.expect("sent").json().await.expect("json")
    };
    assert_eq!((&settled["charges"], &settled["requested_by"]["user"]), (&1.into(), &Value::Null));

    assert_eq!(running.remove(0).interrupt(), Some(0), "the authority stops cleanly");
    assert_eq!(person.order(&alice).await.status(), 201, "known users go on");
    let refused = person.order(&carol).await;
    assert_eq!(refused.status(), 503, "a new exchange cannot be had");
    assert!(refused.headers().contains_key("retry-after"));

    for (program, part) in running.into_iter().zip(&PARTS[1..]) {
        assert_eq!(program.interrupt(), Some(0), "{part} stops cleanly");
    }
    assert_eq!(seen_by_proxy.load(Ordering::SeqCst), 0);
}
