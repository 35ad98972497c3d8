//! The storefront's routes, who may take which, and running it.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{
        IntoResponse, Response,
        sse::{KeepAlive, Sse},
    },
    routing::{get, post},
};
use axum_identity::{Caller, Problem, UserCaller};
use demo_kit::{Hop, Listener, Serving, StartError, Stop, http_client, serve, whoami, with_open_routes};
use serde::Deserialize;
use serde_json::Value;
use tower_identity::{
    AtEdge, AuthLayer, HttpClient, RequireLayer, ResponseExt, Settings,
    rule::{scope, user},
};

use crate::news::News;

/// The table `[service]` of the storefront's settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StorefrontSettings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where orders is, as an origin.
    pub orders: String,
}

/// What the storefront's handlers work with.
#[derive(Debug, Clone)]
pub struct Storefront {
    http: HttpClient,
    orders: Arc<str>,
    news: Arc<News>,
}

impl Storefront {
    /// A storefront before orders.
    #[must_use]
    pub fn new(http: HttpClient, orders: impl Into<Arc<str>>) -> Self {
        Self { http, orders: orders.into(), news: Arc::default() }
    }
}

/// The storefront's routes.
///
/// ```
/// use demo_storefront::{Storefront, app};
/// use tower_identity::{AuthLayer, ClientAuth, Outbound, Target, TokenEndpoint, TrustedIssuer, Verifier};
///
/// let login = "https://login.example.com";
/// let verifier = Verifier::builder(TrustedIssuer::discover(login).audience("storefront")).build()?;
/// let auth = ClientAuth::client_secret_basic("storefront", "secret")?;
/// let http = Outbound::builder(TokenEndpoint::discover(login, auth))
///     .target(Target::origin("https://orders.internal")?.audience("orders").token_exchange())
///     .build()?
///     .reqwest(reqwest::Client::builder())?;
/// let app = app(AuthLayer::new(verifier).edge(), Storefront::new(http, "https://orders.internal"));
/// # let _ = app;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn app(auth: AuthLayer<AtEdge>, storefront: Storefront) -> Router {
    routes().layer(auth).with_state(storefront)
}

fn routes() -> Router<Storefront> {
    Router::new()
        .route("/products", get(products).layer(RequireLayer::new(scope("catalog:read").and(user()))))
        .route("/orders", post(buy).layer(RequireLayer::new(scope("orders:write").and(user()))))
        .route("/orders", get(list).layer(RequireLayer::new(scope("orders:read").and(user()))))
        .route("/orders/events", get(events).layer(RequireLayer::new(scope("orders:read").and(user()))))
        .route("/statement", get(statement).layer(RequireLayer::new(scope("orders:read").and(user()))))
        .route("/trace", get(trace).layer(RequireLayer::new(scope("orders:read").and(user()))))
        .route("/whoami", get(whoami))
}

async fn products(State(shop): State<Storefront>) -> Result<Json<Value>, Problem> {
    let answer = shop.http.get(format!("{}/prices", shop.orders)).send().await?;
    Ok(Json(answer.successful()?.json().await?))
}

async fn buy(
    State(shop): State<Storefront>,
    caller: UserCaller,
    Json(basket): Json<Value>,
) -> Result<Response, Problem> {
    let answer = shop.http.post(format!("{}/orders", shop.orders)).json(&basket).send().await?;
    if answer.status() == StatusCode::UNPROCESSABLE_ENTITY {
        // What is wrong with the basket is the user's to know.
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, answer.text().await?).into_response());
    }
    let order: Value = answer.successful()?.json().await?;
    shop.news.placed(caller.user(), &order);
    Ok((StatusCode::CREATED, Json(order)).into_response())
}

async fn list(State(shop): State<Storefront>) -> Result<Json<Value>, Problem> {
    let answer = shop.http.get(format!("{}/orders", shop.orders)).send().await?;
    Ok(Json(answer.successful()?.json().await?))
}

/// Ends with the caller's credential, as every stream of events under the layer: [`Streams`](tower_identity::Streams).
async fn events(State(shop): State<Storefront>, caller: UserCaller) -> Response {
    match shop.news.of(caller.user()) {
        Some(news) => Sse::new(news.events()).keep_alive(KeepAlive::default()).into_response(),
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

async fn statement(State(shop): State<Storefront>) -> Result<Json<Value>, Problem> {
    let answer = shop.http.get(format!("{}/statement", shop.orders)).send().await?;
    Ok(Json(answer.successful()?.json().await?))
}

async fn trace(State(shop): State<Storefront>, caller: Caller) -> Result<Json<Vec<Hop>>, Problem> {
    let answer = shop.http.get(format!("{}/trace", shop.orders)).send().await?;
    let beyond: Vec<Hop> = answer.successful()?.json().await?;
    Ok(Json([vec![Hop::seen_by("storefront", &caller)?], beyond].concat()))
}

/// Checks the settings now, and serves the listener when the future is awaited.
///
/// # Errors
///
/// [`StartError::Settings`] names the line of what is wrong.
pub fn run(settings: &Settings, listener: Listener, stop: Stop) -> Result<Serving, StartError> {
    let service: StorefrontSettings = settings.section("service")?;
    let storefront = Storefront::new(http_client("storefront", settings)?, service.orders);
    let app = match settings.edge() {
        // What users come with stops here.
        Ok(edge) => {
            let layer = edge.layer().map_auth(|auth| auth.realm("storefront"));
            routes().layer(layer).with_state(storefront)
        }
        Err(_) => app(settings.edge_layer()?.realm("storefront"), storefront),
    };
    Ok(serve(listener, with_open_routes(settings, app), stop))
}
