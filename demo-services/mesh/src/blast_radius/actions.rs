//! What there is to be had at the services. A test compares this list with the services' routers.

use crate::Part;

/// Something that a service does for whoever may have it done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Action {
    /// Whose it is.
    pub at: Part,
    pub(super) ask: Ask,
}

/// How it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    Get(&'static str),
    /// With this JSON, or with nothing.
    Post(&'static str, Option<&'static str>),
    /// Over gRPC, by the name of the method.
    Call(Method),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Charge,
    Statement,
}

const BASKET: Option<&str> = Some(r#"{"lines":[{"sku":"tea","quantity":1}]}"#);
const CHARGE: Option<&str> = Some(r#"{"order":"order-1","cents":1}"#);
const CHECK: Option<&str> = Some(r#"{"cents":1}"#);

/// All of them, service by service, but for what no access token opens: metadata, signed events, what is for this machine
/// only, and what authorization servers do for their clients.
pub static ACTIONS: [Action; 20] = [
    Action { at: Part::Storefront, ask: Ask::Get("/products") },
    Action { at: Part::Storefront, ask: Ask::Post("/orders", BASKET) },
    Action { at: Part::Storefront, ask: Ask::Get("/orders") },
    Action { at: Part::Storefront, ask: Ask::Get("/orders/events") },
    Action { at: Part::Storefront, ask: Ask::Get("/statement") },
    Action { at: Part::Storefront, ask: Ask::Get("/trace") },
    Action { at: Part::Storefront, ask: Ask::Get("/whoami") },
    Action { at: Part::Orders, ask: Ask::Get("/prices") },
    Action { at: Part::Orders, ask: Ask::Post("/orders", BASKET) },
    Action { at: Part::Orders, ask: Ask::Get("/orders") },
    Action { at: Part::Orders, ask: Ask::Get("/statement") },
    Action { at: Part::Orders, ask: Ask::Get("/trace") },
    Action { at: Part::Orders, ask: Ask::Get("/whoami") },
    Action { at: Part::Payments, ask: Ask::Post("/charges", CHARGE) },
    Action { at: Part::Payments, ask: Ask::Call(Method::Charge) },
    Action { at: Part::Payments, ask: Ask::Call(Method::Statement) },
    Action { at: Part::Payments, ask: Ask::Post("/settlements", None) },
    Action { at: Part::Payments, ask: Ask::Get("/whoami") },
    Action { at: Part::Partner, ask: Ask::Post("/checks", CHECK) },
    Action { at: Part::Partner, ask: Ask::Get("/whoami") },
];

impl Action {
    /// What it is called: `GET /orders`, or `gRPC Charge`.
    #[must_use]
    pub fn name(&self) -> String {
        match self.ask {
            Ask::Get(path) => format!("GET {path}"),
            Ask::Post(path, _) => format!("POST {path}"),
            Ask::Call(method) => format!("gRPC {method:?}"),
        }
    }

    /// The route that it is, as its router and its access log have it.
    #[must_use]
    pub fn route(&self) -> String {
        match self.ask {
            Ask::Get(_) | Ask::Post(..) => self.name(),
            Ask::Call(method) => format!("POST /payments.v1.Payments/{method:?}"),
        }
    }
}
