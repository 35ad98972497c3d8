//! Orders' routes, who may take which, and running it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use axum_identity::{Caller, Problem, UserCaller};
use demo_kit::{Hop, Listener, Serving, StartError, Stop, http_client, serve, whoami, with_open_routes};
use serde::Deserialize;
use serde_json::json;
use tower_identity::{AuthLayer, InvalidSetting, RequireLayer, ResponseExt, Settings, rule::scope, system_clock};

use crate::{
    basket::{Basket, Price},
    book::Order,
    nightly,
    orders::{CreditSettings, Orders, Vouched},
    statements::{Charged, Statements},
};

/// The table `[service]` of orders' settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrdersSettings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where payments is, as an origin.
    pub payments: String,
    /// How often charges are settled.
    pub settle_every_seconds: u64,
    /// Whether callers are taken at their word for whom they call, as the table `inbound` lists them.
    #[serde(default)]
    pub at_their_word: bool,
    /// Who is asked whether users are good for what they order. Without it nobody is.
    pub credit: Option<CreditSettings>,
    /// What there is to buy.
    #[serde(rename = "price")]
    pub prices: Vec<Price>,
}

/// Orders' routes.
///
/// Must be served with the peer's address ([`ConnectInfo`](axum::extract::ConnectInfo)), which the nightly run's
/// trigger judges by.
///
/// ```
/// use demo_orders::{Orders, Statements, app};
/// use tower_identity::{AuthLayer, ClientAuth, Outbound, Target, TokenEndpoint, TrustedIssuer, Verifier};
///
/// let login = "https://login.example.com";
/// let verifier = Verifier::builder(TrustedIssuer::discover(login).audience("orders")).build()?;
/// let auth = ClientAuth::client_secret_basic("orders", "secret")?;
/// let outbound = Outbound::builder(TokenEndpoint::discover(login, auth))
///     .target(Target::origin("https://payments.internal")?.audience("payments").token_exchange())
///     .build()?;
/// let http = outbound.reqwest(reqwest::Client::builder())?;
/// # let runtime = tokio::runtime::Runtime::new()?;
/// # let entered = runtime.enter();
/// let statements = Statements::at("https://payments.internal", &outbound, None)?;
/// let app = app(AuthLayer::new(verifier), Orders::new(http, "https://payments.internal", statements, Vec::new()));
/// # let _ = app;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn app(auth: AuthLayer, orders: Orders) -> Router {
    let users = || orders.users();
    let asked = get(whoami);
    let asked = if orders.at_their_word { asked.layer(RequireLayer::new(users())) } else { asked };
    Router::new()
        .route("/prices", get(prices).layer(RequireLayer::new(scope("prices:read").and(users()))))
        .route("/orders", post(place).layer(RequireLayer::new(scope("orders:write").and(users()))))
        .route("/orders", get(list).layer(RequireLayer::new(scope("orders:read").and(users()))))
        .route("/statement", get(statement).layer(RequireLayer::new(scope("orders:read").and(users()))))
        .route("/trace", get(trace).layer(RequireLayer::new(scope("orders:read").and(users()))))
        .route("/whoami", asked)
        .layer(auth)
        // Beside the layer, not under it: there is no caller to authenticate.
        .route("/settlements/run", post(nightly::run_now))
        .with_state(orders)
}

async fn prices(State(orders): State<Orders>) -> Json<Arc<[Price]>> {
    Json(orders.prices)
}

/// Has the partner say whether the user is good for so much, where that is to be asked. Sent with a token of the partner's
/// own authorization server, which knows the user by another name.
async fn vouched(orders: &Orders, cents: u64) -> Result<Option<Vouched>, Problem> {
    let Some(credit) = orders.credit.as_ref().filter(|credit| cents >= credit.from_cents) else { return Ok(None) };
    let asked = json!({ "cents": cents });
    let answer = orders.http.post(format!("{}/checks", credit.partner)).json(&asked).send().await?;
    Ok(Some(answer.successful()?.json().await?))
}

#[derive(Deserialize)]
struct Receipt {
    id: String,
}

async fn place(
    State(orders): State<Orders>,
    caller: UserCaller,
    Json(basket): Json<Basket>,
) -> Result<Response, Problem> {
    let cents = match basket.price(&orders.prices) {
        Ok(cents) => cents,
        Err(refused) => return Ok((StatusCode::UNPROCESSABLE_ENTITY, refused.to_string()).into_response()),
    };
    let vouched = vouched(&orders, cents).await?;
    if vouched.as_ref().is_some_and(|vouched| !vouched.approved) {
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, "the partner does not vouch for so much").into_response());
    }
    let Some(id) = orders.book.begin() else { return Ok(StatusCode::INSUFFICIENT_STORAGE.into_response()) };

    // Sent with a token for payments that says: the caller's user, and orders acting for them.
    let charge = json!({ "order": id, "cents": cents });
    let answer = orders.http.post(format!("{}/charges", orders.payments)).json(&charge).send().await?;
    let receipt: Receipt = answer.successful()?.json().await?;

    let vouched_as = vouched.map(|vouched| vouched.customer);
    let order = Order { id, lines: basket.lines, cents, charge: receipt.id, vouched_as };
    orders.book.keep(caller.user(), order.clone());
    Ok((StatusCode::CREATED, Json(order)).into_response())
}

async fn list(State(orders): State<Orders>, caller: UserCaller) -> Json<Vec<Order>> {
    Json(orders.book.of(caller.user()))
}

async fn statement(State(orders): State<Orders>) -> Result<Json<Vec<Charged>>, Problem> {
    Ok(Json(orders.statements.read().await?))
}

async fn trace(State(orders): State<Orders>, caller: Caller) -> Result<Json<[Hop; 2]>, Problem> {
    let answer = orders.http.get(format!("{}/whoami", orders.payments)).send().await?;
    let principal = answer.successful()?.json().await?;
    Ok(Json([Hop::seen_by("orders", &caller)?, Hop { service: "payments".to_owned(), principal }]))
}

/// Checks the settings now, within a runtime of tokio; serves the listener, and settles every night, when the future is awaited.
///
/// # Errors
///
/// [`StartError::Settings`] names the line of what is wrong.
pub fn run(settings: &Settings, listener: Listener, stop: Stop) -> Result<Serving, StartError> {
    let service: OrdersSettings = settings.section("service")?;
    let refuse = |invalid: InvalidSetting| settings.refuse(&invalid.within("service"));
    let statements =
        Statements::at(&service.payments, &settings.outbound()?, settings.client_tls().as_ref()).map_err(refuse)?;
    let orders = Orders::new(http_client("orders", settings)?, service.payments, statements, service.prices);
    let orders = service.credit.into_iter().fold(orders, Orders::credit);
    let orders = if service.at_their_word { orders.at_their_word() } else { orders };
    let nights = nightly::every(Duration::from_secs(service.settle_every_seconds), orders.clone(), system_clock());
    let app = app(settings.auth_layer()?.realm("orders"), orders);
    let served = serve(listener, with_open_routes(settings, app), stop);
    Ok(Box::pin(async {
        tokio::select! {
            served = served => served,
            never = nights => match never {},
        }
    }))
}
