//! Payments as its own program: what it says when it cannot start, and that it runs until it is interrupted.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Command, Stdio},
};

fn settings(name: &str, text: &str) -> PathBuf {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&file, text).expect("written");
    file
}

fn good(listen: &str) -> String {
    format!(
        "[service]\nlisten = \"{listen}\"\ncallers = [\"orders\"]\n\n[[inbound.issuer]]\n\
         issuer = \"https://login.example.com\"\naudience = \"payments\"\n"
    )
}

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_demo-payments"));
    command.args(arguments).env_remove("RUST_LOG");
    command
}

fn ended(arguments: &[&str]) -> (Option<i32>, String) {
    let output = program(arguments).output().expect("run");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    (output.status.code(), String::from_utf8(output.stderr).expect("text"))
}

#[test]
fn a_file_that_is_wrong_is_named_with_line_field_and_rule() {
    let cases = [
        (good("127.0.0.1:0").replace("audience = \"payments\"", "audience = \"\""), ":7: inbound.issuer[0].audience: "),
        (good("127.0.0.1:0").replace("callers = [\"orders\"]", "callers = \"orders\""), ":3: service.callers: "),
        (good("127.0.0.1:0").replace("[service]", "[services]"), ": service: the file has no such table"),
        (good("127.0.0.1:0").replace("[service]", "[service"), ":1: "),
    ];
    for (at, (text, expected)) in cases.into_iter().enumerate() {
        let file = settings(&format!("wrong-{at}.toml"), &text).display().to_string();
        let (code, err) = ended(&["--settings", &file]);
        assert!(err.starts_with(&format!("{file}{expected}")), "{err}");
        assert_eq!((code, err.lines().count()), (Some(2), 1), "{err}");
    }
    let (code, err) = ended(&["--settings", "nowhere.toml"]);
    assert!(err.starts_with("nowhere.toml: cannot be read: "), "{err}");
    assert_eq!(code, Some(2));
}

#[test]
fn an_address_in_use_is_named_with_the_option_that_changes_it() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    let file = settings("taken.toml", &good(&address)).display().to_string();
    let (code, err) = ended(&["--settings", &file]);
    let expected = format!("cannot listen on {address}: change it with --listen, or with listen in [service]: ");
    assert!(err.starts_with(&expected), "{err}");
    assert_eq!(code, Some(2));
}

#[cfg(unix)]
#[test]
fn it_listens_where_it_is_told_and_stops_when_it_is_interrupted() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let file = settings("told.toml", &good(&taken.local_addr().expect("bound").to_string())).display().to_string();
    let mut child = program(&["--settings", &file, "--listen", "127.0.0.1:0"])
        .env("RUST_LOG", "info")
        .stderr(Stdio::piped())
        .spawn()
        .expect("run");
    let mut log = BufReader::new(child.stderr.take().expect("piped"));
    let mut line = String::new();
    log.read_line(&mut line).expect("text");
    let address = line.trim().rsplit_once("address=").expect("an address").1;

    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.write_all(b"GET /whoami HTTP/1.0\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    assert!(answer.starts_with("HTTP/1.0 401 "), "{answer}");
    assert!(answer.contains("\r\nwww-authenticate: Bearer realm=\"payments\"\r\n"), "{answer}");

    let signalled = Command::new("kill").arg("-INT").arg(child.id().to_string()).status().expect("signalled");
    assert!(signalled.success());
    assert_eq!(child.wait().expect("ended").code(), Some(0));
}
