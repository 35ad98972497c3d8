//! What one service sees: its access log, and the credentials that come with requests.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use demo_kit::Watch;
use tower_identity::{Refusal, SecretToken};

use super::credential::Place;
use crate::Part;

/// What a thief's requests say of who sends them.
pub(super) const THIEF: &str = "thief";

/// What all services see.
#[derive(Default)]
pub(super) struct Taps(Arc<Mutex<Vec<Heard>>>);

/// A request that a service has answered.
struct Heard {
    at: Part,
    /// `GET /orders`
    route: String,
    /// Who has sent it, by its own word: the name before the first space or slash, or nobody's.
    client: Option<String>,
    presented: Presented,
    /// The check that refused it.
    check: Option<&'static str>,
}

/// The tokens of one request, and where they were.
pub(super) type Presented = Vec<(Place, SecretToken)>;

/// How often each route of each service was asked for.
pub(super) type Counts = BTreeMap<(&'static str, String), usize>;

impl Taps {
    /// Watches one of the programs.
    pub(super) fn watch(&self, at: Part) -> Option<Watch> {
        let heard = Arc::clone(&self.0);
        Some(Arc::new(move |request, response| {
            let client = request.headers.get("user-agent").and_then(|name| name.to_str().ok());
            let one = Heard {
                at,
                route: format!("{} {}", request.method, request.uri.path()),
                client: client.and_then(|name| name.split(['/', ' ']).next()).map(str::to_owned),
                presented: Place::ALL
                    .into_iter()
                    .filter_map(|place| Some((place, place.of(&request.headers)?)))
                    .collect(),
                check: response.extensions().get::<Refusal>().map(Refusal::check),
            };
            heard.lock().unwrap_or_else(PoisonError::into_inner).push(one);
        }))
    }

    /// What a service has seen while the shop was at work: what it was presented with, and what it has presented to others.
    ///
    /// A request is part of the work where one of the services has sent it, or where it came from outside to the edge:
    /// whoever goes to another service from there is trying something.
    pub(super) fn seen_at(&self, part: Part) -> Vec<Presented> {
        let of_work = |heard: &&Heard| match heard.client.as_deref() {
            Some(client) => {
                client == part.name() || (heard.at == part && Part::ALL.iter().any(|by| by.name() == client))
            }
            None => heard.at == part && part == Part::Storefront,
        };
        self.heard().iter().filter(of_work).map(|heard| heard.presented.clone()).collect()
    }

    /// The check by which a service has refused the thief's last request there.
    pub(super) fn last_check(&self, at: Part) -> Option<&'static str> {
        let heard = self.heard();
        heard
            .iter()
            .rfind(|heard| heard.at == at && heard.client.as_deref() == Some(THIEF))
            .and_then(|heard| heard.check)
    }

    /// What the access logs have of the thief.
    pub(super) fn of_thief(&self) -> Counts {
        let mut counts = Counts::new();
        for heard in self.heard().iter().filter(|heard| heard.client.as_deref() == Some(THIEF)) {
            *counts.entry((heard.at.name(), heard.route.clone())).or_default() += 1;
        }
        counts
    }

    fn heard(&self) -> MutexGuard<'_, Vec<Heard>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Taps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Taps").field("heard", &self.heard().len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use axum::{http, response::Response};

    use tower_identity::RefusalKind;

    use super::*;

    /// A request that a service answers, of somebody with a token.
    fn hears(taps: &Taps, at: Part, client: Option<&str>, token: &str, refused: Option<&'static str>) {
        let request = http::Request::get("/whoami").header("authorization", format!("Bearer {token}"));
        let request = client.into_iter().fold(request, |request, client| request.header("user-agent", client));
        let (head, ()) = request.body(()).expect("a request").into_parts();
        let mut response = Response::default();
        if let Some(check) = refused {
            response.extensions_mut().insert(Refusal::new(RefusalKind::InvalidToken, check));
        }
        taps.watch(at).expect("whoever watches")(&head, &response);
    }

    fn seen_at(taps: &Taps, part: Part) -> Vec<String> {
        taps.seen_at(part).concat().into_iter().map(|(_, token)| token.expose().to_owned()).collect()
    }

    #[test]
    fn a_service_has_seen_what_it_was_presented_with_and_what_it_has_presented() {
        let taps = Taps::default();
        hears(&taps, Part::Storefront, None, "of-alice", None);
        hears(&taps, Part::Orders, Some("storefront"), "for-orders", None);
        hears(&taps, Part::Payments, Some("orders tonic/0.14"), "for-payments", None);
        // Whoever comes from outside to what is no edge, whoever reads tokens, and the thief: these try something.
        hears(&taps, Part::Orders, None, "tried", None);
        hears(&taps, Part::Storefront, Some("a reader"), "read", None);
        hears(&taps, Part::Payments, Some(THIEF), "stolen", None);
        let expected: [(_, &[&str]); 4] = [
            (Part::Storefront, &["of-alice", "for-orders"]),
            (Part::Orders, &["for-orders", "for-payments"]),
            (Part::Payments, &["for-payments"]),
            (Part::Partner, &[]),
        ];
        for (part, expected) in expected {
            assert_eq!(seen_at(&taps, part), expected, "{part:?}");
        }
    }

    #[test]
    fn a_thiefs_requests_are_counted_where_they_arrive_and_the_last_refusal_is_known() {
        let taps = Taps::default();
        hears(&taps, Part::Orders, Some("thief tonic/0.14"), "stolen", Some("aud"));
        hears(&taps, Part::Payments, Some(THIEF), "stolen", None);
        // What a service does upon it is its own.
        hears(&taps, Part::Payments, Some("orders"), "for-payments", Some("callers"));
        assert_eq!([Part::Orders, Part::Payments].map(|at| taps.last_check(at)), [Some("aud"), None]);
        let whoami = || "GET /whoami".to_owned();
        assert_eq!(taps.of_thief(), Counts::from([(("orders", whoami()), 1), (("payments", whoami()), 1)]));
    }

    #[test]
    fn what_was_heard_is_not_printed() {
        let taps = Taps::default();
        hears(&taps, Part::Orders, Some("storefront"), "for-orders", None);
        assert_eq!(format!("{taps:?}"), "Taps { heard: 1 }");
    }
}
