//! RSA keys whose primes were made in a way that gives them away (ROCA, CVE-2017-15361).
//!
//! The library of certain smart cards and TPMs made primes of the form `k·M + (65537^a mod M)`, where `M` is the product
//! of the first primes. Such a modulus is a power of 65537 modulo each of them, and can be factored. Another modulus is
//! one for all of them by a chance of 1 to 2^160 at most: M. Nemec et al., "The Return of Coppersmith's Attack", 2017.

/// The last of the primes in the `M` of keys of 2048 bits. Those of longer keys go further.
const LAST: u32 = 701;

/// Whether the modulus has the mark of such keys.
pub(crate) fn is_marked(modulus: &[u8]) -> bool {
    primes().all(|prime| is_power_of_65537(remainder(modulus, prime), prime))
}

fn primes() -> impl Iterator<Item = u32> {
    (3..=LAST).step_by(2).filter(|n| (3..*n).step_by(2).take_while(|d| d * d <= *n).all(|d| n % d != 0))
}

/// The remainder of a big-endian integer.
fn remainder(integer: &[u8], divisor: u32) -> u32 {
    integer.iter().fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % divisor)
}

fn is_power_of_65537(value: u32, prime: u32) -> bool {
    let next = |power: &u32| Some(power * (65_537 % prime) % prime).filter(|power| *power != 1);
    std::iter::successors(Some(1), next).any(|power| power == value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_primes_are_those_of_the_product() {
        // The first 126 primes without 2, which every modulus is odd to.
        assert_eq!((primes().count(), primes().next(), primes().last()), (125, Some(3), Some(701)));
        assert_eq!(remainder(&[0x01, 0x00, 0x01], 701), 65_537 % 701);
    }

    #[test]
    fn powers_of_65537_are_marked_and_their_neighbours_are_not() {
        let power = |exponent: u32| {
            let mut bytes = vec![1];
            for _ in 0..exponent {
                // Times 65537: the number, and the same number two bytes further up.
                let mut product = bytes.clone();
                product.extend([0, 0]);
                let mut carry = 0;
                for at in 0..product.len() {
                    let (low, place) = (bytes.len().checked_sub(at + 1), product.len() - at - 1);
                    let sum = u32::from(product[place]) + low.map_or(0, |low| u32::from(bytes[low])) + carry;
                    product[place] = (sum & 0xff) as u8;
                    carry = sum >> 8;
                }
                bytes = product;
            }
            bytes
        };
        for exponent in [1, 2, 100] {
            let mut bytes = power(exponent);
            assert!(is_marked(&bytes), "{exponent}");
            *bytes.last_mut().expect("a byte") ^= 2;
            assert!(!is_marked(&bytes), "{exponent}");
        }
    }
}
