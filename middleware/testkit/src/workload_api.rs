//! An agent of SPIFFE for tests: the stream of X.509-SVIDs of a Workload API, over a Unix socket.

use std::{
    convert::Infallible,
    fs, io,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    thread::{self, JoinHandle},
};

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response, header};
use hyper::{
    body::{Body, Frame, Incoming},
    server::conn::http2,
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use tokio::{
    net::UnixListener,
    runtime,
    sync::{mpsc, oneshot},
};

use crate::{TestAuthority, TestCertificate};

/// An agent that tells one workload of its certificate, and of the authorities of trust domains, to whoever asks at its
/// socket, and again whenever there is something new. It runs on a thread of its own, until it is dropped.
#[derive(Debug)]
pub struct TestWorkloadApi {
    socket: PathBuf,
    told: Arc<Mutex<Told>>,
    server: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Told {
    /// What was sent last, as it goes over the wire.
    last: Option<Bytes>,
    streams: Vec<mpsc::UnboundedSender<Bytes>>,
    asked: usize,
}

impl TestWorkloadApi {
    /// Starts one that listens at this path, where nothing is yet.
    ///
    /// # Panics
    ///
    /// When it cannot listen there.
    #[must_use]
    pub fn start(socket: impl Into<PathBuf>) -> Self {
        let api = Self { socket: socket.into(), told: Arc::default(), server: Mutex::default() };
        api.restart();
        api
    }

    /// Where it is, as a workload is told of it: `unix:/path`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("unix:{}", self.socket.display())
    }

    /// Sends this certificate of this SPIFFE ID, and these authorities of each trust domain, of which one is the ID's own.
    ///
    /// # Panics
    ///
    /// When the ID is none, or of a trust domain that is not there.
    pub fn send(&self, id: &str, certificate: &TestCertificate, bundles: &[(&str, &[&TestAuthority])]) {
        self.send_with_key_of(certificate, id, certificate, bundles);
    }

    /// The same with the key of this certificate, which need not be the one that is sent.
    ///
    /// # Panics
    ///
    /// As [`send`](Self::send).
    pub fn send_with_key_of(
        &self,
        other: &TestCertificate,
        id: &str,
        certificate: &TestCertificate,
        bundles: &[(&str, &[&TestAuthority])],
    ) {
        let own = id.strip_prefix("spiffe://").and_then(|id| id.split('/').next()).expect("a SPIFFE ID");
        let mut message = BytesMut::new();
        let mut federated = BytesMut::new();
        for (domain, authorities) in bundles {
            let bundle: Vec<u8> = authorities.iter().flat_map(|authority| der(authority)).collect();
            if *domain == own {
                let mut svid = BytesMut::new();
                field(&mut svid, 1, id.as_bytes());
                let chain: Vec<u8> = certificate.chain().iter().flat_map(|one| one.iter().copied()).collect();
                field(&mut svid, 2, &chain);
                field(&mut svid, 3, other.key().secret_der());
                field(&mut svid, 4, &bundle);
                field(&mut message, 1, &svid);
            } else {
                let mut entry = BytesMut::new();
                field(&mut entry, 1, format!("spiffe://{domain}").as_bytes());
                field(&mut entry, 2, &bundle);
                field(&mut federated, 3, &entry);
            }
        }
        assert!(!message.is_empty(), "there are no authorities of {own}");
        message.extend_from_slice(&federated);
        self.send_bytes(&message);
    }

    /// Sends these bytes in the place of a message, as no agent does.
    ///
    /// # Panics
    ///
    /// When there are 4 GiB of them.
    pub fn send_bytes(&self, message: &[u8]) {
        let framed = framed(message);
        let mut told = self.told();
        told.streams.retain(|stream| stream.send(framed.clone()).is_ok());
        told.last = Some(framed);
    }

    /// How often a workload has asked for the stream.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.told().asked
    }

    /// Stops: streams that are open break off, and nobody can connect.
    ///
    /// # Panics
    ///
    /// When its thread has panicked.
    pub fn stop(&self) {
        if let Some(Running { stop, thread }) = self.server().take() {
            drop(stop);
            thread.join().expect("the agent's thread does not panic");
            _ = fs::remove_file(&self.socket);
        }
    }

    /// Listens again, knowing what it knew.
    ///
    /// # Panics
    ///
    /// When it cannot.
    pub fn restart(&self) {
        let mut server = self.server();
        if server.is_none() {
            *server = Some(run(&self.socket, &self.told).expect("nothing else listens there"));
        }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn server(&self) -> MutexGuard<'_, Option<Running>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for TestWorkloadApi {
    fn drop(&mut self) {
        _ = fs::remove_file(&self.socket);
    }
}

fn run(socket: &Path, told: &Arc<Mutex<Told>>) -> io::Result<Running> {
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    let listener = {
        let _entered = runtime.enter();
        UnixListener::bind(socket)?
    };
    let (told, (stop, stopped)) = (Arc::clone(told), oneshot::channel());
    let thread = thread::Builder::new().name("test-workload-api".to_owned()).spawn(move || {
        runtime.spawn(accept(listener, told));
        // Dropping the runtime with this closure closes the listener and every connection.
        let _ = runtime.block_on(stopped);
    })?;
    Ok(Running { stop, thread })
}

async fn accept(listener: UnixListener, told: Arc<Mutex<Told>>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let told = Arc::clone(&told);
        let answering = service_fn(move |request| std::future::ready(Ok::<_, Infallible>(answer(&told, &request))));
        let serving = http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), answering);
        tokio::spawn(async move { serving.await.ok() });
    }
}

/// The stream, to whoever says that it is a workload (SPIFFE Workload Endpoint §4).
fn answer(told: &Mutex<Told>, request: &Request<Incoming>) -> Response<Updates> {
    let is_workload = request.headers().get("workload.spiffe.io").is_some_and(|value| value == "true");
    let (stream, updates) = mpsc::unbounded_channel();
    let mut response = Response::new(Updates(updates));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    if !is_workload || request.uri().path() != "/SpiffeWorkloadAPI/FetchX509SVID" {
        // InvalidArgument, without a message: of trailers alone.
        response.headers_mut().extend(HeaderMap::from_iter([(
            http::HeaderName::from_static("grpc-status"),
            HeaderValue::from_static("3"),
        )]));
        return response;
    }
    let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
    told.asked += 1;
    if let Some(last) = &told.last {
        _ = stream.send(last.clone());
    }
    told.streams.push(stream);
    response
}

/// What is sent, as it comes.
struct Updates(mpsc::UnboundedReceiver<Bytes>);

impl Body for Updates {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|update| update.map(|update| Ok(Frame::data(update))))
    }
}

/// A field of bytes, as protocol buffers write it.
fn field(message: &mut BytesMut, number: u8, bytes: &[u8]) {
    message.put_u8(number << 3 | 2);
    let mut length = bytes.len();
    while length > 0x7f {
        message.put_u8((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    message.put_u8(length as u8);
    message.extend_from_slice(bytes);
}

/// A message of gRPC, which is not compressed.
fn framed(message: &[u8]) -> Bytes {
    let mut framed = BytesMut::new();
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).expect("a short message"));
    framed.extend_from_slice(message);
    framed.freeze()
}

fn der(authority: &TestAuthority) -> Vec<u8> {
    CertificateDer::from_pem_slice(authority.pem().as_bytes()).expect("it is PEM").to_vec()
}
