use std::{
    io::{BufRead, BufReader, Read},
    net::TcpListener,
    path::Path,
    process::{Command, ExitStatus, Stdio},
};

use crate::support::{changed, shipped};

fn mesh(settings: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mesh"));
    command.arg("--settings").arg(settings).args(arguments).env_remove("RUST_LOG");
    command
}

fn ended(mut command: Command) -> (Option<i32>, String, String) {
    let output = command.output().expect("run");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_demo_ends_with_0_when_every_step_holds_and_with_1_when_one_does_not() {
    let (code, out, err) = ended(mesh(&shipped(), &["demo"]));
    assert_eq!((code, out.as_str(), err.as_str()), (Some(0), include_str!("story.txt"), ""));

    let wrong = changed("program-demo", "payments.toml", "callers = [\"orders\"]", "callers = [\"ledger\"]");
    let (code, out, err) = ended(mesh(&wrong, &["demo"]));
    assert_eq!((code, err.as_str()), (Some(1), ""));
    assert!(out.contains("   ✘ the order is placed: 201: expected \"201\", found \"502\""), "{out}");
}

/// A page without the numbers of its steps.
fn unnumbered(page: &str) -> Vec<&str> {
    page.lines().map(|line| line.trim_start_matches(|first: char| first.is_ascii_digit())).collect()
}

#[test]
fn the_story_holds_over_mutual_tls_and_a_token_that_is_stolen_is_good_with_its_certificate_alone() {
    let relayed = std::thread::spawn(|| ended(mesh(&shipped(), &["demo", "--mtls", "--mode", "relay"])));
    let (code, out, err) = ended(mesh(&shipped(), &["--mtls", "demo"]));
    assert_eq!((code, out.as_str(), err.as_str()), (Some(0), include_str!("story-mtls.txt"), ""));
    // But for the step of what is stolen, for what stands beside a certificate, and for what an own token says, it is the story.
    let (story, differs) = (unnumbered(include_str!("story.txt")), unnumbered(&out));
    let kept = |line: &&&str| line.contains(" ✔ ") && !story.contains(line);
    assert_eq!(
        differs.iter().filter(kept).collect::<Vec<_>>(),
        [
            &"   ✔ with the certificate of orders, whom it names: 201",
            &"   ✔ with that of the storefront it is good for nothing: 403",
            &"   ✔ and with none nobody is connected to",
            &"   ✔ at another payments, by whose file the certificate is of somebody else: 403",
        ]
    );
    // Where a token names nobody who sends it, certificates are the listeners' alone.
    let (code, out, err) = relayed.join().expect("ended");
    assert_eq!((code, out.as_str(), err.as_str()), (Some(0), include_str!("story-relay.txt"), ""));

    let (code, out, err) = ended(mesh(&shipped(), &["blast-radius", "--mtls"]));
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.starts_with("error: blast-radius goes without --mtls: "), "{err}");
}

#[test]
fn the_blast_radius_is_of_the_mode_that_is_asked_for_wherever_it_is_said() {
    for arguments in
        [&["blast-radius", "--json", "--mode", "exchange"][..], &["--mode", "relay", "blast-radius", "--json"]]
    {
        let mode = arguments.iter().skip_while(|word| **word != "--mode").nth(1).expect("a mode");
        let (code, out, err) = ended(mesh(&shipped(), arguments));
        assert_eq!((code, err.as_str()), (Some(0), ""));
        let cells: Vec<serde_json::Value> = serde_json::from_str(&out).expect("JSON");
        assert!(!cells.is_empty() && cells.iter().all(|cell| cell["mode"] == *mode), "{arguments:?}");
    }
    let wrong = changed("program-blast", "payments.toml", "callers = [\"orders\"]", "callers = [\"ledger\"]");
    let (code, out, err) = ended(mesh(&wrong, &["blast-radius", "--mode", "exchange"]));
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.starts_with("the shop does not work as it has to: "), "{err}");
}

#[test]
fn a_malformed_file_is_named_with_its_line_field_and_rule_and_nothing_starts() {
    let cases = [
        (
            "orders.toml",
            "sku = \"kettle\"",
            "sky = \"kettle\"",
            "orders.toml:13: service.price[1].sky: unknown field `sky`",
        ),
        (
            "payments.toml",
            "audience = \"payments\"",
            "audience = \"\"",
            "payments.toml:14: inbound.issuer[0].audience: ",
        ),
        (
            "authority.toml",
            "from = \"orders\"\nto = \"payments\"",
            "from = \"payments\"\nto = \"payments\"",
            "authority.toml:48: authority.policy[1].from: ",
        ),
        ("storefront.toml", "listen = \"127.0.0.1:7001\"", "listen = 7001", "storefront.toml:3: service.listen: "),
        (
            "orders.toml",
            "keys/orders.pem",
            "keys/none.pem",
            "orders.toml:42: outbound.server.authority.private_key_file: ",
        ),
    ];
    for (at, (file, from, to, expected)) in cases.into_iter().enumerate() {
        let directory = changed(&format!("program-{at}"), file, from, to);
        let (code, out, err) = ended(mesh(&directory, &["--port-base", "0"]));
        assert_eq!((code, out.as_str()), (Some(2), ""), "{err}");
        let line = err.strip_prefix(&format!("{}/", directory.display())).unwrap_or_else(|| panic!("{err}"));
        assert!(line.starts_with(expected), "{line}");
        assert_eq!(err.lines().count(), 1, "{err}");
    }
}

#[test]
fn a_port_in_use_is_named_with_the_option_that_changes_it() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("bound").port();
    let (code, out, err) = ended(mesh(&shipped(), &["--port-base", &port.to_string()]));
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.starts_with(&format!("cannot listen on 127.0.0.1:{port}: change it with --port-base: ")), "{err}");
}

/// Interrupts a process as Ctrl-C does, and gives its end.
#[cfg(unix)]
fn interrupted(mut child: std::process::Child) -> ExitStatus {
    let signalled = Command::new("kill").arg("-INT").arg(child.id().to_string()).status().expect("signalled");
    assert!(signalled.success());
    child.wait().expect("ended")
}

#[cfg(unix)]
#[test]
fn the_mesh_says_where_it_listens_and_what_to_try_and_stops_when_interrupted() {
    let mut child =
        mesh(&shipped(), &["--port-base", "0"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("run");
    let mut out = BufReader::new(child.stdout.take().expect("piped"));
    let mut lines = Vec::new();
    while !lines.last().is_some_and(|line: &String| line.contains("Ctrl-C")) {
        let mut line = String::new();
        assert_ne!(out.read_line(&mut line).expect("text"), 0, "it ended early: {lines:?}");
        lines.push(line);
    }
    let origin = |name: &str| {
        let found = lines.iter().find_map(|line| line.trim().strip_prefix(name)?.trim().strip_prefix("http://"));
        found.unwrap_or_else(|| panic!("{name} is not in {lines:?}")).to_owned()
    };
    for name in ["authority", "storefront", "orders", "payments", "partner"] {
        let mut stream = std::net::TcpStream::connect(origin(name)).expect("it listens");
        std::io::Write::write_all(&mut stream, b"GET /whoami HTTP/1.0\r\n\r\n").expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answered");
        let status = if name == "authority" { "HTTP/1.0 404" } else { "HTTP/1.0 401" };
        assert!(answer.starts_with(status), "{name}: {answer}");
    }
    assert_eq!(lines.iter().filter(|line| line.contains("curl ")).count(), 7);
    assert!(interrupted(child).success());
}
