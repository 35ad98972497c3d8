//! Payments' routes, who may take which, and running it.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post, post_service},
};
use axum_identity::{UserCaller, WorkloadCaller};
use demo_api::payments::payments_server::PaymentsServer;
use demo_kit::{Listener, Serving, StartError, Stop, serve, whoami, with_open_routes};
use serde::{Deserialize, Serialize};
use tower_identity::{
    AuthLayer, CallerName, RequireLayer, Settings,
    rule::{callers, no_user, scope, self_asserted_user, user},
};

use crate::{
    Ledger,
    grpc::OverGrpc,
    ledger::{ChargeRequest, NotCharged, Settlement},
};

/// The table `[service]` of payments' settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaymentsSettings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Which workloads may charge and settle.
    pub callers: Vec<CallerName>,
    /// What becomes of others that ask whom payments sees.
    #[serde(default)]
    pub whoami: Enforcement,
    /// Whether they are taken at their word for whom they call, as the table `inbound` lists them.
    #[serde(default)]
    pub at_their_word: bool,
}

/// Whether a rule counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Enforcement {
    /// It is told what it would refuse, and nothing is refused.
    Observe,
    /// It refuses.
    #[default]
    Enforce,
}

/// Payments' routes.
///
/// ```
/// use demo_payments::{Enforcement, PaymentsSettings, app};
/// use tower_identity::{AuthLayer, TrustedIssuer, Verifier};
///
/// let login = TrustedIssuer::discover("https://login.example.com").audience("payments");
/// let auth = AuthLayer::new(Verifier::builder(login).build()?);
/// let settings = PaymentsSettings {
///     listen: ([127, 0, 0, 1], 7003).into(),
///     callers: vec!["orders".try_into()?],
///     whoami: Enforcement::Enforce,
///     at_their_word: false,
/// };
/// let app = app(auth, &settings, Default::default());
/// # let _ = app;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn app(auth: AuthLayer, service: &PaymentsSettings, ledger: Arc<Ledger>) -> Router {
    let listed = || callers(service.callers.clone());
    let users = || if service.at_their_word { self_asserted_user() } else { user() };
    let charging = listed().and(users()).and(scope("payments:charge"));
    let settling = listed().and(no_user()).and(scope("payments:settle"));
    let reading = listed().and(users()).and(scope("payments:read"));
    let asking = if service.at_their_word { listed().or(listed().and(users())) } else { listed() };
    let asking = RequireLayer::new(asking);
    let asking = match service.whoami {
        Enforcement::Observe => asking.observe(),
        Enforcement::Enforce => asking,
    };
    let grpc = PaymentsServer::new(OverGrpc(Arc::clone(&ledger)));
    Router::new()
        .route("/charges", post(charge).layer(RequireLayer::new(charging.clone())))
        .route("/settlements", post(settle).layer(RequireLayer::new(settling)))
        .route("/whoami", get(whoami).layer(asking))
        // A method of a gRPC service is a route like any other, with a rule of its own.
        .route("/payments.v1.Payments/Charge", post_service(grpc.clone()).layer(RequireLayer::new(charging)))
        .route("/payments.v1.Payments/Statement", post_service(grpc).layer(RequireLayer::new(reading)))
        // Outside of all routes: a request that is not authenticated meets none of them.
        .layer(auth)
        .with_state(ledger)
}

async fn charge(State(ledger): State<Arc<Ledger>>, caller: UserCaller, Json(request): Json<ChargeRequest>) -> Response {
    match ledger.charge(request, caller.user().clone(), caller.workload().clone()) {
        Ok(charge) => (StatusCode::CREATED, Json(charge)).into_response(),
        Err(refused @ NotCharged::Amount) => (StatusCode::UNPROCESSABLE_ENTITY, refused.to_string()).into_response(),
        Err(refused @ NotCharged::Full) => (StatusCode::INSUFFICIENT_STORAGE, refused.to_string()).into_response(),
    }
}

/// What was settled, and the principal at whose word.
#[derive(Serialize)]
struct Settled {
    #[serde(flatten)]
    settlement: Settlement,
    requested_by: WorkloadCaller,
}

async fn settle(State(ledger): State<Arc<Ledger>>, caller: WorkloadCaller) -> Json<Settled> {
    let settlement = ledger.settle();
    tracing::info!(charges = settlement.charges, cents = settlement.cents, by = %caller.workload().id, "settled");
    Json(Settled { settlement, requested_by: caller })
}

/// Checks the settings now, and serves the listener when the future is awaited.
///
/// # Errors
///
/// [`StartError::Settings`] names the line of what is wrong.
pub fn run(settings: &Settings, listener: Listener, stop: Stop) -> Result<Serving, StartError> {
    let service: PaymentsSettings = settings.section("service")?;
    let app = app(settings.auth_layer()?.realm("payments"), &service, Arc::default());
    Ok(serve(listener, with_open_routes(settings, app), stop))
}
