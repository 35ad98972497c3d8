//! The partner's routes, who may take which, and running it.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use axum::{
    Json, Router,
    extract::State,
    routing::{get, post},
};
use axum_identity::UserCaller;
use demo_kit::{Listener, Serving, StartError, Stop, serve, whoami, with_open_routes};
use serde::{Deserialize, Serialize};
use tower_identity::{
    AuthLayer, CallerName, RequireLayer, Settings, Subject,
    rule::{callers, scope, user},
};

/// The table `[service]` of the partner's settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartnerSettings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Which workloads may ask for a check.
    pub callers: Vec<CallerName>,
    /// What each user is good for, in cents.
    pub limits: BTreeMap<Subject, u64>,
}

/// What each user is good for, in cents. Whoever is not there is good for nothing.
#[derive(Debug, Clone, Default)]
pub struct Credit(Arc<BTreeMap<Subject, u64>>);

impl Credit {
    /// These limits.
    #[must_use]
    pub fn new(limits: BTreeMap<Subject, u64>) -> Self {
        Self(Arc::new(limits))
    }

    fn approves(&self, user: &Subject, cents: u64) -> bool {
        self.0.get(user).is_some_and(|limit| cents <= *limit)
    }
}

/// The partner's routes, beside those of its [authorization server](demo_authority::app).
///
/// ```
/// use demo_partner::{Credit, app};
/// use tower_identity::{AuthLayer, TrustedIssuer, Verifier};
///
/// let ours = TrustedIssuer::discover("https://partner.example.com").audience("credit");
/// let auth = AuthLayer::new(Verifier::builder(ours).build()?);
/// let app = app(auth, &["shop".try_into()?], Credit::default());
/// # let _ = app;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn app(auth: AuthLayer, may_call: &[CallerName], credit: Credit) -> Router {
    let checking = callers(may_call.to_vec()).and(user()).and(scope("credit:check"));
    Router::new()
        .route("/checks", post(check).layer(RequireLayer::new(checking)))
        .route("/whoami", get(whoami))
        .layer(auth)
        .with_state(credit)
}

/// How much somebody is to be good for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Check {
    cents: u64,
}

/// Whether they are, by the name that they have here.
#[derive(Serialize)]
struct Checked {
    approved: bool,
    customer: Subject,
}

async fn check(State(credit): State<Credit>, caller: UserCaller, Json(asked): Json<Check>) -> Json<Checked> {
    let customer = caller.user().id.clone();
    Json(Checked { approved: credit.approves(&customer, asked.cents), customer })
}

/// Checks the settings now, and serves the listener when the future is awaited.
///
/// # Errors
///
/// [`StartError::Settings`] names the line of what is wrong.
pub fn run(settings: &Settings, listener: Listener, stop: Stop) -> Result<Serving, StartError> {
    let service: PartnerSettings = settings.section("service")?;
    let authority = demo_authority::of_settings(settings)?;
    let credit = Credit::new(service.limits);
    let app = app(settings.auth_layer()?.realm("credit"), &service.callers, credit);
    let app = with_open_routes(settings, app);
    Ok(Box::pin(async move {
        let authority = demo_authority::app(Arc::new(authority), listener.local_addr()?);
        serve(listener, app.merge(authority), stop).await
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_good_for_up_to_the_limit_and_a_stranger_for_nothing() {
        let user = |name: &str| name.parse::<Subject>().expect("a user");
        let credit = Credit::new(BTreeMap::from([(user("customer-1"), 500)]));
        let approved = [("customer-1", 500), ("customer-1", 501), ("customer-2", 0)];
        assert_eq!(approved.map(|(name, cents)| credit.approves(&user(name), cents)), [true, false, false]);
    }
}
