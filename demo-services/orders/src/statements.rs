//! What payments charged the user whose request is being handled: a stream over gRPC.

use std::fmt;

use axum::http::Uri;
use axum_identity::Problem;
use demo_api::payments::{self, StatementRequest, payments_client::PaymentsClient};
use demo_kit::CALL_TIMEOUT;
use serde::Serialize;
use tonic::{
    Status,
    transport::{Channel, Endpoint},
};
use tower::ServiceBuilder;
use tower_identity::{InvalidSetting, Outbound, OutboundService, Refusal, RefusalKind};

/// Payments' statements. Each call carries a token for the user whose request is being handled.
#[derive(Clone)]
pub struct Statements(PaymentsClient<OutboundService<Channel>>);

/// A charge, as payments tells it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Charged {
    id: String,
    order: String,
    cents: u64,
    user: Option<Named>,
    requested_by: Option<Named>,
}

/// Whoever an issuer vouches for.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Named {
    id: String,
    issuer: String,
}

impl Statements {
    /// Payments at this origin, which is connected to when it is first called. Call it within a runtime of tokio, where
    /// the connection is kept.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] when this is no address.
    pub fn at(payments: &str, outbound: &Outbound) -> Result<Self, InvalidSetting> {
        let origin: Uri = payments
            .parse()
            .map_err(|_| InvalidSetting::new("payments", "an origin, such as https://payments.internal"))?;
        let channel = Endpoint::from(origin.clone()).timeout(CALL_TIMEOUT).connect_timeout(CALL_TIMEOUT).connect_lazy();
        let channel = ServiceBuilder::new().layer(outbound.layer()).service(channel);
        // The origin twice, and the same: whom a token is for, and where the channel takes it.
        Ok(Self(PaymentsClient::with_origin(channel, origin)))
    }

    /// What the current user was charged, the oldest first.
    pub(crate) async fn read(&self) -> Result<Vec<Charged>, Problem> {
        let mut charges = self.0.clone().statement(StatementRequest {}).await.map_err(failed)?.into_inner();
        let mut statement = Vec::new();
        while let Some(charge) = charges.message().await.map_err(failed)? {
            statement.push(charge.into());
        }
        Ok(statement)
    }
}

/// What was not sent says itself whose fault that is. What payments makes of a call is between it and us: our caller
/// is told no more than that.
fn failed(status: Status) -> Problem {
    match Refusal::find(&status) {
        Some(_) => status.into(),
        None => Refusal::new(RefusalKind::BadUpstream, "downstream")
            .detail(format!("payments answered {:?}", status.code()))
            .into(),
    }
}

impl From<payments::Charge> for Charged {
    fn from(charge: payments::Charge) -> Self {
        let payments::Charge { id, order, cents, user, requested_by } = charge;
        Self { id, order, cents, user: user.map(Named::from), requested_by: requested_by.map(Named::from) }
    }
}

impl From<payments::Identity> for Named {
    fn from(named: payments::Identity) -> Self {
        Self { id: named.id, issuer: named.issuer }
    }
}

impl fmt::Debug for Statements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Statements").finish_non_exhaustive()
    }
}
