//! What payments charged the user whose request is being handled: a stream over gRPC.

use std::{fmt, time::Duration};

use axum::http::Uri;
use axum_identity::Problem;
use demo_api::payments::{self, StatementRequest, payments_client::PaymentsClient};
use demo_kit::CALL_TIMEOUT;
use serde::Serialize;
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint},
};
use tower::ServiceBuilder;
use tower_identity::{ClientTls, InvalidSetting, Outbound, OutboundService, Refusal, RefusalKind};

/// How long our caller is to wait for payments, where payments does not say.
const UNSAID: Duration = Duration::from_secs(1);

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
    /// Payments at this origin, by this TLS where it is https, which is connected to when it is first called. Call it within a runtime of tokio, where
    /// the connection is kept.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] when this is no address.
    pub fn at(payments: &str, outbound: &Outbound, tls: Option<&ClientTls>) -> Result<Self, InvalidSetting> {
        let origin: Uri = payments
            .parse()
            .map_err(|_| InvalidSetting::new("payments", "an origin, such as https://payments.internal"))?;
        let endpoint = Endpoint::from(origin.clone()).timeout(CALL_TIMEOUT).connect_timeout(CALL_TIMEOUT);
        let endpoint = endpoint.user_agent("orders").expect("a name is a header's value");
        let channel = match tls {
            Some(tls) => endpoint.connect_with_connector_lazy(tls.connector()),
            None => endpoint.connect_lazy(),
        };
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

/// What was not sent says itself whose fault that is. An outage of payments is told as one; whatever else it makes of
/// a call is not for our caller to set right.
fn failed(status: Status) -> Problem {
    if Refusal::find(&status).is_some() {
        return status.into();
    }
    let kind = match status.code() {
        Code::Unavailable => {
            let seconds = status.metadata().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
            RefusalKind::Unavailable { retry_after: seconds.map_or(UNSAID, Duration::from_secs) }
        }
        _ => RefusalKind::BadUpstream,
    };
    // Its code only: the message is whatever somebody else wrote.
    Refusal::new(kind, "downstream").detail(format!("payments answered {:?}", status.code())).into()
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tonic::metadata::MetadataMap;

    use super::*;

    fn told(status: Status) -> RefusalKind {
        failed(status).refusal().expect("every failure is a refusal").kind().clone()
    }

    #[test]
    fn an_outage_of_payments_is_told_as_one_and_everything_else_as_its_failure() {
        let unavailable = |seconds| RefusalKind::Unavailable { retry_after: Duration::from_secs(seconds) };
        for code in [Code::PermissionDenied, Code::Unauthenticated, Code::Internal, Code::Unknown] {
            assert_eq!(told(Status::new(code, "")), RefusalKind::BadUpstream, "{code:?}");
        }
        assert_eq!(told(Status::unavailable("")), unavailable(1));
        let mut metadata = MetadataMap::new();
        metadata.insert("retry-after", "7".parse().expect("a value"));
        assert_eq!(told(Status::with_metadata(Code::Unavailable, "", metadata)), unavailable(7));
    }

    #[test]
    fn what_was_not_sent_is_told_by_its_own_reason() {
        let mut status = Status::unknown("");
        status.set_source(Arc::new(Refusal::new(RefusalKind::Denied, "no_user")));
        assert_eq!(told(status), RefusalKind::Denied);
    }

    #[tokio::test]
    async fn payments_that_are_no_address_are_refused_as_a_setting() {
        let auth = tower_identity::ClientAuth::client_secret_basic("orders", "secret").expect("a client");
        let server = tower_identity::TokenEndpoint::discover("https://login.example.com", auth);
        let outbound = Outbound::builder(server).build().expect("good");
        let refused = Statements::at("not an address", &outbound, None).expect_err("no address");
        assert_eq!(refused.to_string(), "payments: an origin, such as https://payments.internal");
        let good = Statements::at("https://payments.internal", &outbound, None).map(drop);
        assert_eq!(good.map_err(|refused| refused.to_string()), Ok(()));
    }
}
