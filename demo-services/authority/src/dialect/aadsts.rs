//! How Entra ID refuses: by a number, which its words begin with, and by what its support asks for.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use tower_identity::{Fingerprint, Timestamp};
use tower_identity_jose::random_id;

use crate::error::TokenError;

/// A refusal of Entra ID.
#[derive(Debug, Clone, Copy)]
pub(super) struct Aadsts {
    status: StatusCode,
    error: &'static str,
    number: u32,
    words: &'static str,
    suberror: Option<&'static str>,
}

pub(super) const fn aadsts(status: StatusCode, error: &'static str, number: u32, words: &'static str) -> Aadsts {
    Aadsts { status, error, number, words, suberror: None }
}

impl Aadsts {
    pub(super) const fn because(mut self, suberror: &'static str) -> Self {
        self.suberror = Some(suberror);
        self
    }
}

/// What has no number of its own.
const MALFORMED: Aadsts =
    aadsts(StatusCode::BAD_REQUEST, "invalid_request", 9_002_313, "Invalid request. Request is malformed or invalid.");

#[derive(Serialize)]
struct Body {
    error: &'static str,
    error_description: String,
    error_codes: [u32; 1],
    timestamp: String,
    trace_id: String,
    correlation_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    suberror: Option<&'static str>,
}

/// The answer to what is refused as this. Of our own troubles is told as it is otherwise.
pub(super) fn refuse(error: TokenError, told: Option<&Aadsts>, now: Timestamp) -> Response {
    if error.is_our_trouble() {
        return error.into_response();
    }
    error.log();
    let Aadsts { status, error, number, words, suberror } = *told.unwrap_or(&MALFORMED);
    let (trace_id, correlation_id, timestamp) = (guid(), guid(), date_and_time(now));
    let error_description =
        format!("AADSTS{number}: {words} Trace ID: {trace_id} Correlation ID: {correlation_id} Timestamp: {timestamp}");
    let body = Body { error, error_description, error_codes: [number], timestamp, trace_id, correlation_id, suberror };
    (status, Json(body)).into_response()
}

/// Sixteen bytes of chance, as Entra writes its identifiers.
fn guid() -> String {
    let chance = Fingerprint::of("guid").field(random_id()).finish();
    let mut text = String::with_capacity(36);
    for (at, byte) in chance.as_bytes()[..16].iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

/// `2026-11-01 00:00:00Z`, by the proleptic Gregorian calendar, whose years begin in March for the reckoning.
fn date_and_time(at: Timestamp) -> String {
    const DAYS_OF_400_YEARS: u64 = 146_097;
    /// From 0000-03-01 to 1970-01-01.
    const BEFORE_THE_EPOCH: u64 = 719_468;
    let (days, seconds) = (at.as_secs() / 86_400 + BEFORE_THE_EPOCH, at.as_secs() % 86_400);
    let (era, day) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = era * 400 + year + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}Z", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_of_the_calendar() {
        let cases = [
            (0, "1970-01-01 00:00:00Z"),
            (951_782_399, "2000-02-28 23:59:59Z"),
            (951_782_400, "2000-02-29 00:00:00Z"),
            (951_868_800, "2000-03-01 00:00:00Z"),
            (1_793_491_199, "2026-10-31 23:59:59Z"),
            (1_793_491_200, "2026-11-01 00:00:00Z"),
            (4_107_542_400, "2100-03-01 00:00:00Z"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(date_and_time(Timestamp::from_secs(seconds)), expected);
        }
    }

    #[test]
    fn identifiers_have_their_shape_and_differ() {
        let (one, other) = (guid(), guid());
        assert_ne!(one, other);
        let dashes: Vec<_> = one.match_indices('-').map(|(at, _)| at).collect();
        assert_eq!((one.len(), dashes), (36, vec![8, 13, 18, 23]));
    }
}
