//! Who is calling, as axum extractors, and [`Problem`], the error of handlers that call on.
//!
//! ```
//! use axum::{Json, Router, routing::get};
//! use axum_identity::{Caller, Problem, UserCaller};
//!
//! async fn whoami(caller: Caller) -> Json<Caller> {
//!     Json(caller)
//! }
//!
//! async fn greet(caller: UserCaller) -> Result<String, Problem> {
//!     let greeting = std::env::var("GREETING")?;
//!     Ok(format!("{greeting}, {}", caller.user().id))
//! }
//!
//! async fn hello(caller: Option<Caller>) -> &'static str {
//!     if caller.is_some() { "hello, caller" } else { "hello, whoever you are" }
//! }
//!
//! # let _: Router =
//! Router::new()
//!     .route("/whoami", get(whoami))
//!     .route("/greet", get(greet))
//!     .route("/hello", get(hello))
//!     // .layer(AuthLayer::new(verifier).optional()) goes here: outside of every route that asks for a caller
//! # ;
//! ```
//!
//! | extractor | who passes |
//! |---|---|
//! | [`Caller`] | whoever was authenticated |
//! | [`UserCaller`] | a caller that acts for a user |
//! | [`WorkloadCaller`] | a caller that acts for itself |
//! | `Option<Caller>` | everybody; `None` is a request without a credential, which only `AuthLayer::optional()` lets in, never one with a bad credential |
//! | [`PathUser<Path<T>>`](PathUser) | a caller that acts for the user whom the path names |
//! | [`Claims<T>`] | a caller whose token has claims of this shape |
//!
//! Where no `AuthLayer` has seen the request, every one of them answers 500.
//!
//! # In a gRPC service
//!
//! The layers stand before a service of tonic as they stand before a router, and what they leave in a request tonic
//! passes on: `Caller::of(request.extensions())`. With the feature `tonic`, a [`Rejection`] and a [`Problem`] become
//! the [`Status`](https://docs.rs/tonic/0.14/tonic/struct.Status.html) that the same refusal has anywhere else:
//!
//! ```
//! # #[cfg(feature = "tonic")] mod example {
//! use axum_identity::{Problem, UserCaller};
//! use tonic::{Request, Response, Status};
//!
//! async fn greet(request: Request<()>) -> Result<Response<String>, Status> {
//!     let caller = UserCaller::of(request.extensions())?;
//!     let greeting = std::env::var("GREETING").map_err(Problem::from)?;
//!     Ok(Response::new(format!("{greeting}, {}", caller.user().id)))
//! }
//! # }
//! ```

mod caller;
mod claims;
mod path_user;
mod problem;
mod rejection;
#[cfg(feature = "tonic")]
mod status;

pub use self::{
    caller::{Caller, UserCaller, WorkloadCaller},
    claims::Claims,
    path_user::{NamesUser, PathUser},
    problem::Problem,
    rejection::Rejection,
};
