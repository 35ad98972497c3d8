use std::{future::Future, pin::Pin};

/// A boxed future that can be sent between threads: the return type of traits that must be dyn-safe.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
