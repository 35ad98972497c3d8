//! Payments over gRPC. Whether a call may be made is decided before it gets here, as it is over HTTP.

use std::sync::Arc;

use axum_identity::UserCaller;
use demo_api::payments::{self, ChargeRequest, Identity, StatementRequest, payments_server::Payments};
use futures_util::stream::{self, BoxStream, StreamExt};
use tonic::{Request, Response, Status};

use crate::ledger::{self, Charge, Ledger, NotCharged};

/// The ledger, as a service of tonic.
#[derive(Debug)]
pub(crate) struct OverGrpc(pub(crate) Arc<Ledger>);

#[tonic::async_trait]
impl Payments for OverGrpc {
    type StatementStream = BoxStream<'static, Result<payments::Charge, Status>>;

    async fn charge(&self, request: Request<ChargeRequest>) -> Result<Response<payments::Charge>, Status> {
        let caller = UserCaller::of(request.extensions())?;
        let ChargeRequest { order, cents } = request.into_inner();
        let asked = ledger::ChargeRequest { order, cents };
        let charge = self.0.charge(asked, caller.user().clone(), caller.workload().clone())?;
        Ok(Response::new(charge.into()))
    }

    async fn statement(&self, request: Request<StatementRequest>) -> Result<Response<Self::StatementStream>, Status> {
        let caller = UserCaller::of(request.extensions())?;
        let charges = self.0.of(caller.user());
        Ok(Response::new(stream::iter(charges).map(|charge| Ok(charge.into())).boxed()))
    }
}

impl From<NotCharged> for Status {
    fn from(refused: NotCharged) -> Self {
        match refused {
            NotCharged::Amount => Self::invalid_argument(refused.to_string()),
            NotCharged::Full => Self::resource_exhausted(refused.to_string()),
        }
    }
}

impl From<Charge> for payments::Charge {
    fn from(charge: Charge) -> Self {
        let Charge { id, order, cents, user, requested_by } = charge;
        let user = Identity { id: user.id.to_string(), issuer: user.issuer.to_string() };
        let requested_by = Identity { id: requested_by.id.to_string(), issuer: requested_by.issuer.to_string() };
        Self { id, order, cents, user: Some(user), requested_by: Some(requested_by) }
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    #[test]
    fn what_is_not_charged_is_the_callers_mistake_or_our_lack_of_room() {
        let said = |refused: NotCharged| {
            let status = Status::from(refused);
            (status.code(), status.message().to_owned())
        };
        let amount = (Code::InvalidArgument, "a charge is from 1 cent to 1000000 cents".to_owned());
        assert_eq!(said(NotCharged::Amount), amount);
        assert_eq!(said(NotCharged::Full), (Code::ResourceExhausted, "the ledger is full".to_owned()));
    }
}
