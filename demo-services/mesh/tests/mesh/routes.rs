//! That the matrix of who may has a row for every route that there is, by what the routers themselves say.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    Router,
    routing::{any, delete, get},
};
use demo_mesh::{
    Part,
    blast_radius::{ACTIONS, Action},
};
use tower_identity::Settings;
use tower_identity_testkit::assert_closed;

use crate::support::shipped;

const MATRIX: &str = include_str!("who_may.txt");

/// The router of a service, as its shipped settings make it.
fn router(part: Part) -> Router {
    let settings = Settings::from_path(shipped().join(part.name()).with_extension("toml")).expect("good settings");
    let auth = || settings.auth_layer().expect("an inbound table");
    let app = match part {
        Part::Authority => {
            let authority = demo_authority::of_settings(&settings).expect("good settings");
            demo_authority::app(Arc::new(authority), ([127, 0, 0, 1], 0).into())
        }
        Part::Storefront => {
            let service: demo_storefront::StorefrontSettings = settings.section("service").expect("a section");
            let http = demo_kit::http_client(part.name(), &settings).expect("a client");
            let edge = settings.edge_layer().expect("an inbound table that says so");
            demo_storefront::app(edge, demo_storefront::Storefront::new(http, service.orders))
        }
        Part::Orders => {
            let service: demo_orders::OrdersSettings = settings.section("service").expect("a section");
            let outbound = settings.outbound().expect("an outbound table");
            let statements = demo_orders::Statements::at(&service.payments, &outbound, None).expect("an origin");
            let http = demo_kit::http_client(part.name(), &settings).expect("a client");
            demo_orders::app(auth(), demo_orders::Orders::new(http, service.payments, statements, service.prices))
        }
        Part::Payments => {
            let service: demo_payments::PaymentsSettings = settings.section("service").expect("a section");
            demo_payments::app(auth(), &service, Arc::default())
        }
        Part::Partner => {
            let service: demo_partner::PartnerSettings = settings.section("service").expect("a section");
            let authority = demo_authority::of_settings(&settings).expect("good settings");
            let credit = demo_partner::Credit::new(service.limits);
            let authority = demo_authority::app(Arc::new(authority), ([127, 0, 0, 1], 0).into());
            demo_partner::app(auth(), &service.callers, credit).merge(authority)
        }
    };
    demo_kit::with_open_routes(&settings, app)
}

/// Every route of a router, as `GET /orders`; `ANY` where it takes whatever method comes.
///
/// A router tells nobody its routes but in its `Debug`. Should that change its form, the routes that are found here no
/// longer are those of the matrix, and the test says so.
fn routes(router: &Router) -> BTreeSet<String> {
    let debug = format!("{router:?}");
    let (endpoints, paths) =
        debug.split_once("fallback_router").expect("a fallback").0.split_once("paths: ").expect("paths");
    let mut all = BTreeSet::new();
    for (id, path) in paths.split("RouteId(").skip(1).filter_map(|entry| entry.split_once("): \"")) {
        let path = path.split('"').next().expect("a path that begins");
        let endpoint = endpoints.split(&format!("RouteId({id}): ")).nth(1).expect("an endpoint of the path");
        let endpoint = endpoint.split("RouteId(").next().expect("an endpoint that ends");
        let allowed = endpoint.split_once("allow_header: Bytes(b\"").and_then(|(_, rest)| rest.split('"').next());
        let methods: Vec<_> = allowed.map_or(vec!["ANY"], |allowed| allowed.split(',').collect());
        // Whoever takes GET takes HEAD.
        let own = methods.iter().filter(|method| **method != "HEAD" || !methods.contains(&"GET"));
        all.extend(own.map(|method| format!("{method} {path}")));
    }
    all
}

/// The rows of the matrix, those of gRPC by the path of their method.
fn rows(part: Part) -> BTreeSet<String> {
    let of_part = MATRIX.lines().filter_map(|line| line.strip_prefix(&format!("{:11}", part.name())));
    let words = of_part.map(|row| row.split_whitespace().take(2).collect::<Vec<_>>());
    let route = |words: Vec<&str>| match words[..] {
        ["gRPC", method] => format!("POST /payments.v1.Payments/{method}"),
        [method, path] => format!("{method} {path}"),
        _ => panic!("no row: {words:?}"),
    };
    words.map(route).collect()
}

#[tokio::test]
async fn every_route_of_every_service_has_a_row_of_who_may_and_every_row_a_route() {
    for part in Part::ALL {
        assert_eq!(routes(&router(part)), rows(part), "{}", part.name());
    }
}

/// Where no access token opens or closes anything.
const BY_OTHER_MEANS: [&str; 10] = [
    "POST /security-events",
    "POST /settlements/run",
    "GET /.well-known/oauth-authorization-server",
    "GET /.well-known/openid-configuration",
    "GET /jwks",
    "POST /token",
    "POST /introspect",
    "POST /dev/sign-in",
    "POST /dev/revoke",
    "POST /dev/slow",
];

#[tokio::test]
async fn a_thief_tries_every_route_that_an_access_token_opens() {
    for part in [Part::Storefront, Part::Orders, Part::Payments, Part::Partner] {
        let tried: BTreeSet<_> = ACTIONS.iter().filter(|action| action.at == part).map(Action::route).collect();
        let opened = routes(&router(part)).into_iter().filter(|route| !BY_OTHER_MEANS.contains(&route.as_str()));
        assert_eq!(tried, opened.collect(), "{}", part.name());
    }
}

#[tokio::test]
async fn a_route_without_a_row_is_found_however_it_was_added() {
    let shop = router(Part::Storefront);
    let added = [
        ("GET /debug", shop.clone().route("/debug", get(|| async {}))),
        ("DELETE /orders", shop.clone().route("/orders", delete(|| async {}))),
        ("ANY /any", shop.clone().route("/any", any(|| async {}))),
        ("ANY /service", shop.clone().route_service("/service", get(|| async {}))),
        ("GET /nested/debug", shop.clone().nest("/nested", Router::new().route("/debug", get(|| async {})))),
        ("GET /merged", shop.clone().merge(Router::new().route("/merged", get(|| async {})))),
    ];
    for (route, router) in added {
        let expected: BTreeSet<_> = rows(Part::Storefront).into_iter().chain([route.to_owned()]).collect();
        assert_eq!(routes(&router), expected);
    }
}

#[tokio::test]
async fn every_route_is_closed_to_nobody_but_that_for_this_machine_and_that_for_signed_events() {
    let open = ["POST /settlements/run", "POST /security-events"];
    for part in [Part::Storefront, Part::Orders, Part::Payments] {
        let guarded = rows(part).into_iter().filter(|route| !open.contains(&route.as_str()));
        assert_closed(router(part), guarded).await;
    }
}
