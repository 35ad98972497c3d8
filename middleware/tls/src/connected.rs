//! What is known of a connection, in every request that comes by it.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use axum::serve::IncomingStream;
use http::Request;
use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;
use tower_identity_inbound::Connection;
use tower_service::Service;

use crate::TlsListener;

/// Gives [`axum::serve`](axum::serve()) a service for each connection, which puts the [`Connection`] into every request.
///
/// Over a [`TlsListener`], and over a plain `TcpListener` or `UnixListener`, whose connections have no certificates: so that
/// whether there is TLS may be a setting.
#[derive(Debug, Clone)]
pub struct EachConnection<S>(S);

impl<S> EachConnection<S> {
    /// Around a router, or any other service of HTTP requests.
    #[must_use]
    pub fn new(service: S) -> Self {
        Self(service)
    }

    fn over(&self, connection: Connection) -> Ready<Result<Connected<S>, Infallible>>
    where
        S: Clone,
    {
        ready(Ok(Connected { inner: self.0.clone(), connection }))
    }
}

impl<S: Clone> Service<IncomingStream<'_, TlsListener>> for EachConnection<S> {
    type Response = Connected<S>;
    type Error = Infallible;
    type Future = Ready<Result<Connected<S>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, stream: IncomingStream<'_, TlsListener>) -> Self::Future {
        let certificates = stream.io().get_ref().1.peer_certificates();
        self.over(Connection::new(*stream.remote_addr(), certificates))
    }
}

impl<S: Clone> Service<IncomingStream<'_, TcpListener>> for EachConnection<S> {
    type Response = Connected<S>;
    type Error = Infallible;
    type Future = Ready<Result<Connected<S>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, stream: IncomingStream<'_, TcpListener>) -> Self::Future {
        self.over(Connection::new(*stream.remote_addr(), None))
    }
}

#[cfg(unix)]
impl<S: Clone> Service<IncomingStream<'_, UnixListener>> for EachConnection<S> {
    type Response = Connected<S>;
    type Error = Infallible;
    type Future = Ready<Result<Connected<S>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: IncomingStream<'_, UnixListener>) -> Self::Future {
        self.over(Connection::by_unix_socket())
    }
}

/// The service of one connection; made by [`EachConnection`].
#[derive(Debug, Clone)]
pub struct Connected<S> {
    inner: S,
    connection: Connection,
}

impl<S, B> Service<Request<B>> for Connected<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        request.extensions_mut().insert(self.connection.clone());
        self.inner.call(request)
    }
}
