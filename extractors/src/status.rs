//! What a gRPC service of tonic answers: a refusal, or the failure of a handler, as a [`Status`].

use std::sync::Arc;

use http::Response;
use tonic::Status;
use tower_identity_inbound::{
    Asked,
    decision::{self, Stage},
};

use crate::{Problem, Rejection};

/// Answers a call as the inbound layers answer theirs: code, message, challenge and correlation id are those of the
/// error map. The refusal stays with the status as its source, where outer layers find it and no peer does.
impl From<Rejection> for Status {
    fn from(rejection: Rejection) -> Self {
        let Rejection { refusal, asked } = rejection;
        let mut status = rendered(&decision::refuse(Stage::Extractor, &refusal, &asked.over_grpc()));
        status.set_source(Arc::new(refusal));
        status
    }
}

/// Answers a call whose handler has failed: by the refusal among the causes, or by `INTERNAL`. The text of the error is
/// logged, and never sent.
impl From<Problem> for Status {
    fn from(problem: Problem) -> Self {
        let mut status = rendered(&decision::fail(&*problem.0, &Asked::default().over_grpc()));
        status.set_source(Arc::from(problem.0));
        status
    }
}

fn rendered<B>(refused: &Response<B>) -> Status {
    Status::from_header_map(refused.headers()).expect("a refusal over gRPC has a grpc-status")
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, error::Error, fmt, io, time::Duration};

    use http::{Extensions, HeaderMap};
    use tonic::Code;
    use tower_identity_core::{Refusal, RefusalKind};
    use tower_identity_inbound::Inbound;
    use tower_identity_testkit::{LogCapture, TestCaller};

    use super::*;
    use crate::{Caller, UserCaller, WorkloadCaller};

    /// What a peer gets, but for the correlation id, which is another each time.
    #[derive(Debug, PartialEq)]
    struct Sent {
        http: u16,
        headers: BTreeMap<String, String>,
    }

    fn sent(status: Status) -> (Sent, String) {
        let response = status.into_http::<()>();
        let text = |headers: &HeaderMap| {
            let own = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
                (name.to_string(), value.to_str().expect("visible ASCII").to_owned())
            };
            headers.iter().map(own).collect::<BTreeMap<_, _>>()
        };
        let mut headers = text(response.headers());
        let correlation = headers.remove("x-correlation-id").expect("every refusal has one");
        (Sent { http: response.status().as_u16(), headers }, correlation)
    }

    fn expected(code: Code, message: &str, more: &[(&str, &str)]) -> Sent {
        // tonic encodes spaces too, which the layers do not have to.
        let (code, message) = ((code as i32).to_string(), message.replace(' ', "%20"));
        let all = [("content-type", "application/grpc"), ("grpc-status", &code), ("grpc-message", &message)];
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Sent { http: 200, headers: all.iter().chain(more).map(own).collect() }
    }

    #[derive(Debug)]
    struct CallFailed(Refusal);

    impl fmt::Display for CallFailed {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the call failed")
        }
    }

    impl Error for CallFailed {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    fn extensions(inbound: Option<Inbound>) -> Extensions {
        let mut extensions = Extensions::new();
        if let Some(inbound) = inbound {
            extensions.insert(inbound);
        }
        extensions
    }

    #[test]
    fn g1_who_is_missing_is_said_as_the_layers_say_it() {
        let caller = |caller: TestCaller| Some(Inbound::Caller(caller.context()));
        let (alice, nobody) =
            (|| caller(TestCaller::workload("storefront").user("alice")), || caller(TestCaller::workload("scheduler")));
        let ask = |kind: &str, inbound: Option<Inbound>| {
            let extensions = extensions(inbound);
            match kind {
                "caller" => Caller::of(&extensions).map(|caller| caller.workload().id.to_string()),
                "user" => UserCaller::of(&extensions).map(|caller| caller.user().id.to_string()),
                _ => WorkloadCaller::of(&extensions).map(|caller| caller.workload().id.to_string()),
            }
            .map_err(|rejection| sent(rejection.into()).0)
        };
        let found = |id: &str| Ok(id.to_owned());
        let denied = || Err(expected(Code::PermissionDenied, "this caller may not do this", &[]));
        let absent = || {
            let challenge = [("www-authenticate", r#"Bearer realm="api""#)];
            Err(expected(Code::Unauthenticated, "this request needs an access token", &challenge))
        };
        let unwired = || Err(expected(Code::Internal, "this service could not handle the request", &[]));
        let cases = [
            ("caller", alice(), found("storefront")),
            ("caller", nobody(), found("scheduler")),
            ("user", alice(), found("alice")),
            ("user", nobody(), denied()),
            ("workload", nobody(), found("scheduler")),
            ("workload", alice(), denied()),
        ];
        for (kind, inbound, expected) in cases {
            assert_eq!(ask(kind, inbound), expected, "{kind}");
        }
        for kind in ["caller", "user", "workload"] {
            assert_eq!(ask(kind, Some(Inbound::Anonymous)), absent(), "{kind}");
            assert_eq!(ask(kind, None), unwired(), "{kind}");
        }
    }

    #[test]
    fn a_problem_is_the_refusal_among_its_causes_or_internal_and_tells_neither() {
        let logs = LogCapture::start();
        let status = |problem: Problem| sent(problem.into());
        let unavailable = Refusal::new(RefusalKind::Unavailable { retry_after: Duration::from_secs(7) }, "token")
            .detail("inner-detail");
        let (outage, correlation) = status(CallFailed(unavailable).into());
        let message = "this cannot be decided now, try again later";
        assert_eq!(outage, expected(Code::Unavailable, message, &[("retry-after", "7")]));
        assert!(logs.text().contains(&correlation), "{}", logs.text());
        assert!(logs.text().contains("inner-detail"), "{}", logs.text());

        let (failure, correlation) = status(io::Error::other("inner-cause").into());
        assert_eq!(failure, expected(Code::Internal, "this service could not handle the request", &[]));
        assert!(logs.text().contains(&correlation), "{}", logs.text());
        assert!(logs.text().contains("inner-cause"), "{}", logs.text());
    }

    #[test]
    fn an_outer_layer_finds_the_refusal_in_the_status() {
        let status = Status::from(Caller::of(&extensions(Some(Inbound::Anonymous))).expect_err("nobody"));
        let found = Refusal::find(&status).map(|refusal| (refusal.kind().clone(), refusal.check()));
        assert_eq!(found, Some((RefusalKind::NoCredential, "caller")));

        let status = Status::from(Problem::from(io::Error::other("inner-cause")));
        assert_eq!(status.source().map(ToString::to_string).as_deref(), Some("inner-cause"));
    }
}
