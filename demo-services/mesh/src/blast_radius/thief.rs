//! A thief, who takes what a service has seen and presents it elsewhere.

use std::collections::BTreeMap;

use demo_api::payments::{ChargeRequest, StatementRequest, payments_client::PaymentsClient};
use demo_kit::StartError;
use reqwest::{
    Client, RequestBuilder,
    header::{CONTENT_TYPE, USER_AGENT},
};
use serde_json::Value;
use tonic::{Request, metadata::AsciiMetadataKey, transport::Endpoint};
use tower_identity::SecretToken;

use super::{
    BlastRadiusError, Outcome,
    actions::{ACTIONS, Action, Ask, Method},
    credential::{Credential, Place},
    tap::{Counts, THIEF, Taps},
    token::Token,
};
use crate::{Mesh, Part};

/// Why a thief learns nothing of an action.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct NoAnswer(#[from] Because);

#[derive(Debug, thiserror::Error)]
enum Because {
    #[error(transparent)]
    OverHttp(#[from] reqwest::Error),
    #[error(transparent)]
    OverGrpc(#[from] tonic::transport::Error),
}

/// Whoever has got hold of what the services see.
#[derive(Debug)]
pub(super) struct Thief<'a> {
    taps: &'a Taps,
    http: Client,
    origins: BTreeMap<&'static str, String>,
}

impl<'a> Thief<'a> {
    pub(super) fn of(mesh: &Mesh, taps: &'a Taps) -> Result<Self, StartError> {
        let http = Client::builder().no_proxy().user_agent(THIEF).build()?;
        let origins = Part::ALL.into_iter().filter_map(|part| Some((part.name(), mesh.origin(part)?))).collect();
        Ok(Self { taps, http, origins })
    }

    /// What there is to be had at a service, in an order that is always the same. Of those that are alike in everything that
    /// a service goes by, the last.
    pub(super) async fn steals_at(&self, part: Part) -> Result<Vec<Credential>, NoAnswer> {
        let mut requests = Vec::new();
        for presented in self.taps.seen_at(part) {
            let mut read = Vec::new();
            for (place, value) in presented {
                let token = if place == Place::Name { Token::name(&value) } else { self.read(&value).await? };
                read.push((place, token));
            }
            requests.push(read);
        }
        let alone = requests.iter().flat_map(|read| Credential::of(read));
        let mut loot = BTreeMap::new();
        for credential in Credential::across(&requests).into_iter().chain(alone) {
            let Credential { whose, what, scopes, .. } = &credential;
            loot.insert((whose.clone(), what.clone(), scopes.clone()), credential);
        }
        Ok(Credential::told_apart(loot.into_values().collect()))
    }

    async fn read(&self, value: &SecretToken) -> Result<Token, NoAnswer> {
        if let Some(token) = Token::read(value) {
            return Ok(token);
        }
        let (name, bearer) = Place::Bearer.field(value);
        let request = self.http.get(format!("{}/whoami", self.origins[Part::Storefront.name()])).header(name, bearer);
        let request = request.header(USER_AGENT, "a reader of tokens");
        let principal: Value = request.send().await.map_err(Because::from)?.json().await.map_err(Because::from)?;
        Ok(Token::of_session(value, &principal))
    }

    /// What comes of presenting a credential for an action.
    pub(super) async fn tries(&self, credential: &Credential, action: &Action) -> Result<Outcome, BlastRadiusError> {
        let origin = &self.origins[action.at.name()];
        let failed = match action.ask {
            Ask::Get(path) => self.over_http(self.http.get(format!("{origin}{path}")), credential).await?,
            Ask::Post(path, body) => {
                let request = self.http.post(format!("{origin}{path}"));
                let request = body
                    .into_iter()
                    .fold(request, |request, body| request.header(CONTENT_TYPE, "application/json").body(body));
                self.over_http(request, credential).await?
            }
            Ask::Call(method) => over_grpc(origin, method, credential).await?,
        };
        outcome(failed, self.taps.last_check(action.at))
    }

    /// The status that is no success. What is answered is not read: some of it does not end.
    async fn over_http(&self, request: RequestBuilder, credential: &Credential) -> Result<Option<i32>, NoAnswer> {
        let fields = credential.bears.iter().map(|(place, token)| place.field(token));
        let request = fields.fold(request, |request, (name, value)| request.header(name, value));
        let status = request.send().await.map_err(Because::from)?.status();
        Ok((!status.is_success()).then(|| status.as_u16().into()))
    }

    /// That each service has logged what was tried there with so many credentials, and nothing else of the thief's.
    pub(super) fn is_all_logged(&self, credentials: usize) -> Result<(), BlastRadiusError> {
        let sent: Counts = ACTIONS.iter().map(|action| ((action.at.name(), action.route()), credentials)).collect();
        let logged = self.taps.of_thief();
        if sent == logged {
            return Ok(());
        }
        let (sent, logged) = (sent.values().sum(), logged.values().sum());
        Err(BlastRadiusError::Uncounted { sent, logged })
    }
}

/// What a status that is no success means, and the check that a service has named with it.
fn outcome(failed: Option<i32>, check: Option<&str>) -> Result<Outcome, BlastRadiusError> {
    match (failed, check) {
        (None, _) => Ok(Outcome::Reachable),
        // It says nothing of what a thief would have got a moment ago.
        (Some(_), Some("exp")) => Err(BlastRadiusError::Ended),
        (Some(_), Some(check)) => Ok(Outcome::Refused { check: check.to_owned() }),
        (Some(status), None) => Ok(Outcome::Refused { check: format!("status {status}") }),
    }
}

/// The same of a call over gRPC.
async fn over_grpc(origin: &str, method: Method, credential: &Credential) -> Result<Option<i32>, NoAnswer> {
    fn bearing<T>(credential: &Credential, message: T) -> Request<T> {
        let mut request = Request::new(message);
        for (place, token) in &credential.bears {
            let (name, value) = place.field(token);
            let name = AsciiMetadataKey::from_bytes(name.as_str().as_bytes()).expect("a field's name is a key");
            request.metadata_mut().insert(name, value.parse().expect("a token is visible ASCII"));
        }
        request
    }
    let endpoint = Endpoint::from_shared(origin.to_owned()).map_err(Because::from)?;
    let endpoint = endpoint.user_agent(THIEF).map_err(Because::from)?;
    let mut payments = PaymentsClient::new(endpoint.connect().await.map_err(Because::from)?);
    let charge = ChargeRequest { order: "order-1".to_owned(), cents: 1 };
    let answered = match method {
        Method::Charge => payments.charge(bearing(credential, charge)).await.map(drop),
        Method::Statement => payments.statement(bearing(credential, StatementRequest {})).await.map(drop),
    };
    Ok(answered.err().map(|status| status.code().into()))
}

#[cfg(test)]
mod tests {
    use axum::{http, response::Response};

    use super::*;

    #[test]
    fn what_is_refused_is_refused_by_the_check_that_the_service_names_and_never_because_time_has_passed() {
        let refused = |check: &str| Outcome::Refused { check: check.to_owned() };
        let cases = [
            ((None, None), Outcome::Reachable),
            ((Some(401), Some("aud")), refused("aud")),
            ((Some(422), None), refused("status 422")),
        ];
        for ((failed, check), expected) in cases {
            assert_eq!(outcome(failed, check).expect("an outcome"), expected);
        }
        assert!(matches!(outcome(Some(401), Some("exp")), Err(BlastRadiusError::Ended)));
    }

    /// What becomes of one credential's requests that arrive so: how many were sent, and how many were logged, unless all is well.
    fn counted(arrived: impl IntoIterator<Item = (Part, String)>) -> Option<(usize, usize)> {
        let taps = Taps::default();
        for (at, route) in arrived {
            let (method, path) = route.split_once(' ').expect("a route");
            let request = http::Request::builder().method(method).uri(path).header(USER_AGENT, THIEF);
            let (head, ()) = request.body(()).expect("a request").into_parts();
            taps.watch(at).expect("whoever watches")(&head, &Response::default());
        }
        match (Thief { taps: &taps, http: Client::new(), origins: BTreeMap::new() }).is_all_logged(1) {
            Ok(()) => None,
            Err(BlastRadiusError::Uncounted { sent, logged }) => Some((sent, logged)),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn every_request_is_in_its_services_log_or_there_is_no_matrix() {
        let all = || ACTIONS.iter().map(|action| (action.at, action.route()));
        assert_eq!(counted(all()), None);
        assert_eq!(counted(all().skip(1)), Some((20, 19)));
        let elsewhere = (Part::Partner, ACTIONS[0].route());
        assert_eq!(counted(all().skip(1).chain([elsewhere])), Some((20, 20)));
    }
}
