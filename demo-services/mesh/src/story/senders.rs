//! Who sends what the walk sends: by whose certificate, where every hop is over mutual TLS.

use std::collections::BTreeMap;

use demo_kit::StartError;
use reqwest::Client;
use serde_json::Value;
use tower_identity::ClientTls;

use crate::{Mesh, Part, blast_radius::claims};

/// Clients of those that the walk plays: of somebody without a certificate, and of the parts that call others.
pub(super) struct Senders {
    nobody: Sender,
    storefront: Sender,
    orders: Sender,
    /// Which part listens at an origin.
    at: BTreeMap<String, Part>,
}

struct Sender {
    http: Client,
    /// None where nobody has TLS.
    tls: Option<ClientTls>,
}

impl Senders {
    pub(super) fn of(mesh: &Mesh) -> Result<Self, StartError> {
        let sender = |part| {
            let tls = mesh.connecting_as(part)?;
            let builder = Client::builder().no_proxy();
            let builder = tls.iter().fold(builder, |builder, tls| builder.tls_backend_preconfigured(tls.config()));
            Ok::<_, StartError>(Sender { http: builder.build()?, tls })
        };
        Ok(Self {
            nobody: sender(None)?,
            storefront: sender(Some(Part::Storefront))?,
            orders: sender(Some(Part::Orders))?,
            at: Part::ALL.into_iter().filter_map(|part| Some((mesh.origin(part)?, part))).collect(),
        })
    }

    /// Another of the same listens there.
    pub(super) fn also_at(&mut self, part: Part, origin: &str) {
        self.at.insert(origin.to_owned(), part);
    }

    /// Whoever is asked for a request there in the ordinary way.
    pub(super) fn at(&self, origin: &str) -> &Client {
        &self.before(origin).http
    }

    /// Whoever a token names as its sender; of one that names nobody, whoever asks there in the ordinary way.
    pub(super) fn of_token(&self, token: &str, origin: &str) -> &Client {
        &self.named(token, origin).http
    }

    /// The same, for connections of other clients.
    pub(super) fn tls_of_token(&self, token: &str, origin: &str) -> Option<&ClientTls> {
        self.named(token, origin).tls.as_ref()
    }

    /// A program, whatever it sends; or whoever has no certificate.
    pub(super) fn of_part(&self, part: Option<Part>) -> &Client {
        let sender = match part {
            Some(Part::Storefront) => &self.storefront,
            Some(Part::Orders) => &self.orders,
            _ => &self.nobody,
        };
        &sender.http
    }

    fn named(&self, token: &str, origin: &str) -> &Sender {
        let claims = claims(token).unwrap_or_default();
        let named = [&claims["act"]["sub"], &claims["azp"], &claims["client_id"]].into_iter().find_map(Value::as_str);
        match named {
            Some("storefront") => &self.storefront,
            Some("orders") => &self.orders,
            _ => self.before(origin),
        }
    }

    fn before(&self, origin: &str) -> &Sender {
        match self.at.get(origin) {
            Some(Part::Orders) => &self.storefront,
            Some(Part::Payments) => &self.orders,
            _ => &self.nobody,
        }
    }
}
