//! How long a request waits for its token.

use std::{future::Future, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName};
use tower_identity_core::Clock;

use crate::{OutboundError, error::Reason};

/// How long, where neither the row nor the request says.
const UNSAID: Duration = Duration::from_secs(5);

/// How long a gRPC call may take (gRPC over HTTP/2, *Requests*).
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// The row's own, or the request's where that is shorter.
pub(crate) fn of(row: Option<Duration>, headers: &HeaderMap) -> Duration {
    let said = headers.get(GRPC_TIMEOUT).and_then(|value| grpc_timeout(value.as_bytes()));
    match (row, said) {
        (Some(row), Some(said)) => row.min(said),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => UNSAID,
    }
}

/// What comes in time, or that it did not. Whoever else waits for the same token is not disturbed, and a request for it
/// that is in the air goes on.
pub(crate) async fn within<T>(
    limit: Duration,
    clock: Clock,
    target: Arc<str>,
    work: impl Future<Output = Result<T, OutboundError>>,
) -> Result<T, OutboundError> {
    let late = || Err(OutboundError::new(Some(target), Reason::Late(limit)));
    clock.within(limit, work).await.unwrap_or_else(late)
}

/// One to eight digits and a unit. What is written otherwise says nothing.
fn grpc_timeout(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if !(1..=8).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
    Some(match unit {
        b'H' => Duration::from_secs(number * 3600),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn out_d1_the_shorter_of_what_is_said_counts() {
        let (seconds, millis) = (Duration::from_secs, Duration::from_millis);
        let cases = [
            (None, None, seconds(5)),
            (Some(seconds(2)), None, seconds(2)),
            (Some(seconds(60)), None, seconds(60)),
            (None, Some("200m"), millis(200)),
            (None, Some("30S"), seconds(30)),
            (Some(seconds(2)), Some("200m"), millis(200)),
            (Some(seconds(2)), Some("30S"), seconds(2)),
            (Some(seconds(2)), Some("30"), seconds(2)),
        ];
        for (row, header, expected) in cases {
            let headers = header.map(|value| (GRPC_TIMEOUT, value.parse().expect("a value"))).into_iter().collect();
            assert_eq!(of(row, &headers), expected, "{row:?} {header:?}");
        }
    }

    #[test]
    fn out_d1_a_timeout_is_one_to_eight_digits_and_a_unit() {
        let cases = [
            ("1H", Some(Duration::from_secs(3600))),
            ("2M", Some(Duration::from_secs(120))),
            ("3S", Some(Duration::from_secs(3))),
            ("4m", Some(Duration::from_millis(4))),
            ("5u", Some(Duration::from_micros(5))),
            ("6n", Some(Duration::from_nanos(6))),
            ("0S", Some(Duration::ZERO)),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3600))),
            ("100000000S", None),
            ("S", None),
            ("", None),
            ("5", None),
            ("5s", None),
            ("+5S", None),
            ("-5S", None),
            ("5 S", None),
            ("5.0S", None),
        ];
        for (text, expected) in cases {
            assert_eq!(grpc_timeout(text.as_bytes()), expected, "{text}");
        }
    }
}
