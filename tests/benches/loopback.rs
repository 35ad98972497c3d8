//! What authentication leaves of a server's throughput, where the token is remembered: over HTTP/1.1 and loopback, as a
//! share of the same server without it.
//!
//! Both servers stand side by side, each with one connection that is kept, and are asked in turn, in many short rounds of
//! requests one after the other; the fastest round of each counts.

#[path = "sample.rs"]
#[expect(dead_code, reason = "what is timed here is a whole server")]
mod sample;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use axum::{Router, routing::get};
use tower_identity::{Algorithm, AuthLayer, Remember};
use tower_identity_testkit::TestIssuer;

use crate::sample::Sample;

const ROUNDS: u32 = 300;
const REQUESTS: u32 = 200;

/// The least that the layer may leave.
const LIMIT: f64 = 0.90;

fn main() -> ExitCode {
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let issuer = TestIssuer::start();
    let sample = Sample::new(&issuer, Algorithm::Es256);
    let app = || Router::new().route("/", get(async || "ok"));
    let guarded = app().layer(AuthLayer::new(sample.verifier(&issuer, Remember::default())));
    let mut clients = [app(), guarded].map(|app| Client::of(serve(app), sample.token()));
    let mut fastest = [Duration::MAX; 2];
    for _ in 0..ROUNDS {
        for (client, fastest) in clients.iter_mut().zip(&mut fastest) {
            *fastest = client.round().min(*fastest);
        }
    }
    let [without, with] = fastest.map(|round| round / REQUESTS);
    let share = without.as_secs_f64() / with.as_secs_f64();
    println!(
        "\na request over loopback, where the token is remembered: {with:.1?}, without authentication {without:.1?}\n\
         of the throughput is left: {share:.3} (at least {LIMIT:.2})"
    );
    if share < LIMIT { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// A server of its own thread, which lasts as long as the process.
fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("bound");
    listener.set_nonblocking(true).expect("a socket");
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
            axum::serve(listener, app).await.expect("it serves");
        });
    });
    address
}

/// One connection, and the request that is sent on it.
struct Client {
    connection: BufReader<TcpStream>,
    request: String,
}

impl Client {
    fn of(address: SocketAddr, token: &str) -> Self {
        let connection = TcpStream::connect(address).expect("it listens");
        connection.set_nodelay(true).expect("a socket");
        let request = format!(
            "GET / HTTP/1.1\r\nhost: {address}\r\naccept: */*\r\nuser-agent: loopback\r\nauthorization: Bearer {token}\r\n\r\n"
        );
        Self { connection: BufReader::new(connection), request }
    }

    #[expect(clippy::disallowed_methods, reason = "what is measured is real time")]
    fn round(&mut self) -> Duration {
        let start = Instant::now();
        for _ in 0..REQUESTS {
            self.ask();
        }
        start.elapsed()
    }

    fn ask(&mut self) {
        self.connection.get_mut().write_all(self.request.as_bytes()).expect("sent");
        let (mut line, mut length) = (String::new(), 0);
        self.connection.read_line(&mut line).expect("a status");
        assert_eq!(line, "HTTP/1.1 200 OK\r\n");
        while line != "\r\n" {
            line.clear();
            self.connection.read_line(&mut line).expect("a field");
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim_end().parse().expect("a length");
            }
        }
        let mut body = vec![0; length];
        self.connection.read_exact(&mut body).expect("the body");
        assert_eq!(body, b"ok");
    }
}
