//! The one event that a decision leaves for the operator, and its count: [`DECISIONS`].
//!
//! Target `tower_identity::decision`, with these fields:
//!
//! | field | value |
//! |---|---|
//! | `stage` | `authentication`, `rule`, `extractor` or `handler` |
//! | `outcome` | `accepted`, `anonymous` or `refused` |
//! | `enforced` | `false` of a layer that [observes](crate::AuthLayer::observe): the request went on, whatever the outcome |
//! | `issuer` | whose rules were applied, once that is known |
//! | `txn` | of an accepted request: the transaction that it belongs to, where its token says so |
//! | `kind`, `check` | of a refusal: its kind, and the check that failed |
//! | `fault` | of a refusal: `caller`, `configuration`, `service` or `authorization_server` |
//! | `detail` | of a refusal: what was expected and what was found |
//! | `error` | of a refusal: the whole chain of causes |
//! | `correlation_id` | of a refusal that is enforced: what the response carries as `x-correlation-id` |
//!
//! Accepted requests and those without a credential are logged at `DEBUG`, other faults of the caller at `INFO`, faults
//! of the authorization server at `WARN`, faults of this service at `ERROR`. A `detail` may name the workload that was
//! found in place of another. None names a user, and none has any part of a token.

use std::error::Error;

use bytes::Bytes;
use http::Response;
use tower_identity_core::{Fault, Issuer, Refusal, RefusalKind, TransactionId, WithCauses};
use tower_identity_verify::Explanation;
use tracing::Level;

use crate::{
    Asked, CorrelationId, Inbound,
    counted::{self, Passed},
    render,
};

pub use crate::{counted::DECISIONS, stage::Stage, unenforced::UNENFORCED};

/// Tells that a request was let through, and renders nothing.
pub(crate) fn accept(stage: Stage, inbound: &Inbound, passed: &Passed) {
    passed.count(stage, inbound);
    let (outcome, issuer) = match inbound {
        Inbound::Anonymous => ("anonymous", None),
        Inbound::Caller(context) => ("accepted", Some(context.caller_token().issuer().as_str())),
    };
    tracing::debug!(
        target: "tower_identity::decision",
        stage = stage.as_str(),
        outcome,
        enforced = passed.enforced(),
        issuer,
        txn = inbound.caller().and_then(|caller| caller.principal().transaction()).map(TransactionId::as_str),
    );
}

/// Tells what a layer would have done that only observes.
pub(crate) fn observe(stage: Stage, decision: Result<&Inbound, &Refusal>, passed: &Passed) {
    match decision {
        Ok(inbound) => accept(stage, inbound, passed),
        Err(refusal) => tell(stage, refusal, refusal, None),
    }
}

/// Refuses a request: tells the operator why, and renders what the peer learns, under one [`CorrelationId`].
#[must_use]
pub fn refuse(stage: Stage, refusal: &Refusal, asked: &Asked) -> Response<Bytes> {
    refuse_with(stage, refusal, refusal, asked, None)
}

/// Refuses a token, and tells the peer why as well: in development mode only.
pub(crate) fn refuse_explained(refusal: &Refusal, explanation: &Explanation, asked: &Asked) -> Response<Bytes> {
    refuse_with(Stage::Authentication, refusal, refusal, asked, Some(explanation))
}

/// Answers a request whose handler has failed: by the [`Refusal`] among the causes, and where there is none, by a 500
/// that holds nothing of the error.
#[must_use]
pub fn fail(error: &(dyn Error + 'static), asked: &Asked) -> Response<Bytes> {
    match Refusal::find(error) {
        Some(refusal) => refuse_with(Stage::Handler, refusal, error, asked, None),
        None => refuse_with(Stage::Handler, &Refusal::new(RefusalKind::Internal, "handler"), error, asked, None),
    }
}

fn refuse_with(
    stage: Stage,
    refusal: &Refusal,
    error: &(dyn Error + 'static),
    asked: &Asked,
    explanation: Option<&Explanation>,
) -> Response<Bytes> {
    let correlation = CorrelationId::random();
    tell(stage, refusal, error, Some(correlation));
    render::explained(refusal, asked, correlation, explanation)
}

/// Tells of a refusal: one that is enforced has an answer that carries this id.
fn tell(stage: Stage, refusal: &Refusal, error: &(dyn Error + 'static), correlation: Option<CorrelationId>) {
    let enforced = correlation.is_some();
    counted::refused(stage, refusal, enforced);
    macro_rules! tell {
        ($level:expr) => {
            tracing::event!(
                target: "tower_identity::decision",
                $level,
                stage = stage.as_str(),
                outcome = "refused",
                enforced,
                kind = refusal.kind().as_str(),
                check = refusal.check(),
                fault = refusal.fault().as_str(),
                issuer = refusal.named_issuer().map(Issuer::as_str),
                detail = refusal.explanation(),
                error = %WithCauses(error),
                correlation_id = correlation.map(tracing::field::display),
            )
        };
    }
    match refusal.fault() {
        Fault::Caller if *refusal.kind() == RefusalKind::NoCredential => tell!(Level::DEBUG),
        Fault::Caller => tell!(Level::INFO),
        Fault::AuthorizationServer => tell!(Level::WARN),
        _ => tell!(Level::ERROR),
    }
}
