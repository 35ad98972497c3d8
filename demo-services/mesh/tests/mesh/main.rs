//! The whole demo over real HTTP: the story, the command, foreign issuers, and who may take which route.

mod agreement;
mod blast_radius;
mod foreign_issuer;
mod inspect;
mod program;
mod routes;
mod simulation;
mod story;
mod support;
mod who_may;
