//! A program of another language, which is asked and answers a line of JSON at a time.

use std::{
    path::Path,
    pin::pin,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::{Either, select};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    net::TcpStream,
    process::{Child, ChildStdin, ChildStdout, Command},
};
use tower_identity::system_clock;

/// How long a program may think. Long, as the machine may be busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// Two protections against a program that outlives its test: it is killed when it is dropped, also while the test
/// panics, and it ends when nobody holds the other end of its input, so also when the test is killed.
pub(crate) struct Peer {
    name: &'static str,
    input: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    log: Arc<Mutex<String>>,
    _child: Child,
}

impl Peer {
    /// Runs a script of Node.js, given as its text so that it finds its packages wherever they are. Returns what the
    /// script says first.
    pub(crate) async fn node(name: &'static str, packages: &Path, script: &str) -> (Self, Value) {
        let mut command = Command::new("node");
        command.current_dir(packages).args(["--input-type=module", "--eval", script]);
        Self::start(name, command).await
    }

    /// Runs a script of Python, likewise.
    pub(crate) async fn python(name: &'static str, python: &Path, script: &str, arguments: &[&str]) -> (Self, Value) {
        let mut command = Command::new(python);
        // Isolated from the user's own modules and settings; some packages look for theirs where they run.
        let home = python.parent().expect("a program is in a directory");
        command.current_dir(home).args(["-I", "-c", script]).args(arguments);
        Self::start(name, command).await
    }

    async fn start(name: &'static str, mut command: Command) -> (Self, Value) {
        for variable in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
            command.env_remove(variable);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("what was installed can be run");
        let log = Arc::<Mutex<String>>::default();
        tokio::spawn(keep(child.stderr.take().expect("piped"), Arc::clone(&log)));
        let mut peer = Self {
            name,
            input: child.stdin.take().expect("piped"),
            answers: BufReader::new(child.stdout.take().expect("piped")).lines(),
            log,
            _child: child,
        };
        let first = peer.answer().await;
        (peer, first)
    }

    /// Asks, and waits for the answer.
    pub(crate) async fn ask(&mut self, question: &Value) -> Value {
        let line = format!("{question}\n");
        if let Err(error) = self.input.write_all(line.as_bytes()).await {
            self.give_up(&format!("takes no question: {error}"));
        }
        self.answer().await
    }

    async fn answer(&mut self) -> Value {
        let too_late = system_clock().sleep(PATIENCE);
        let heard = match select(pin!(self.answers.next_line()), too_late).await {
            Either::Left((line, _)) => Ok(line.expect("text")),
            Either::Right(_) => Err("says nothing"),
        };
        match heard {
            Ok(Some(line)) => serde_json::from_str(&line)
                .unwrap_or_else(|error| self.give_up(&format!("talks nonsense, {error}: {line}"))),
            Ok(None) => self.give_up("has ended"),
            Err(what) => self.give_up(what),
        }
    }

    /// Ends the test, with what the program has logged.
    pub(crate) fn give_up(&self, what: &str) -> ! {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        panic!("{} {what}. Its log:\n{log}", self.name)
    }
}

/// Reads a log to its end, so that who writes it never waits.
async fn keep(mut from: impl AsyncReadExt + Unpin, log: Arc<Mutex<String>>) {
    let mut bytes = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        let text = String::from_utf8_lossy(&bytes[..read]);
        log.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
    }
}

#[tokio::test]
async fn a_program_is_gone_with_its_test_also_when_that_panics() {
    let Some(packages) = super::install::node() else { return };
    let script = "import { createServer } from 'node:net';
        const server = createServer().listen(0, '127.0.0.1', () => console.log(server.address().port));";
    let (told, port) = tokio::sync::oneshot::channel();
    let test = tokio::spawn(async move {
        let (peer, port) = Peer::node("a server that ends by itself never", packages, script).await;
        told.send(port).expect("it is waited for");
        panic!("while {} runs", peer.name);
    });
    let port = port.await.expect("it listens");
    assert!(test.await.expect_err("it panicked").is_panic());

    let address = ("127.0.0.1", u16::try_from(port.as_u64().expect("a number")).expect("a port"));
    let gone = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    let too_late = system_clock().sleep(PATIENCE);
    assert!(matches!(select(pin!(gone), too_late).await, Either::Left(_)), "it still listens");
}
