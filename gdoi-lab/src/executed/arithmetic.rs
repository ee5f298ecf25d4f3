//! Arithmetic and comparisons of the instruction set (RFC 9669 §4.1 to §4.3), modulo 2^64 or 2^32.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "registers are octets, signed or not as an instruction takes them"
)]

use anyhow::{Result, bail};

/// The operation in an instruction's code.
const OPERATION: u8 = 0xf0;

/// The result of an operation on two numbers of 64 bits or, if `is_half`, of 32 bits.
pub(super) fn operate(code: u8, is_half: bool, left: u64, right: u64) -> Result<u64> {
    if is_half {
        let result = match code & OPERATION {
            0xc0 => u64::from(((left as i32) >> (right & 31)) as u32),
            0x60 => u64::from(left as u32) << (right & 31),
            0x70 => u64::from(left as u32) >> (right & 31),
            _ => plain(code, u64::from(left as u32), u64::from(right as u32))?,
        };
        return Ok(u64::from(result as u32));
    }
    Ok(match code & OPERATION {
        0xc0 => ((left as i64) >> (right & 63)) as u64,
        0x60 => left << (right & 63),
        0x70 => left >> (right & 63),
        _ => plain(code, left, right)?,
    })
}

/// Operations that are the same in both widths.
fn plain(code: u8, left: u64, right: u64) -> Result<u64> {
    Ok(match code & OPERATION {
        0x00 => left.wrapping_add(right),
        0x10 => left.wrapping_sub(right),
        0x20 => left.wrapping_mul(right),
        0x30 => left.checked_div(right).unwrap_or_default(),
        0x40 => left | right,
        0x50 => left & right,
        0x80 => left.wrapping_neg(),
        0x90 => left.checked_rem(right).unwrap_or(left),
        0xa0 => left ^ right,
        0xb0 => right,
        _ => bail!("arithmetic {code:#x} is not known here"),
    })
}

/// The lowest bits in network byte order; on a little-endian machine.
pub(super) fn to_big_endian(bits: i32, number: u64) -> Result<u64> {
    Ok(match bits {
        16 => u64::from((number as u16).to_be()),
        32 => u64::from((number as u32).to_be()),
        64 => number.to_be(),
        _ => bail!("an order of {bits} bits is not known here"),
    })
}

/// Whether a comparison holds.
pub(super) fn holds(code: u8, is_half: bool, left: u64, right: u64) -> Result<bool> {
    let (left, right, signed_left, signed_right) = if is_half {
        let (left, right) = (left as u32, right as u32);
        (
            u64::from(left),
            u64::from(right),
            i64::from(left as i32),
            i64::from(right as i32),
        )
    } else {
        (left, right, left as i64, right as i64)
    };
    Ok(match code & OPERATION {
        0x10 => left == right,
        0x20 => left > right,
        0x30 => left >= right,
        0x40 => left & right != 0,
        0x50 => left != right,
        0x60 => signed_left > signed_right,
        0x70 => signed_left >= signed_right,
        0xa0 => left < right,
        0xb0 => left <= right,
        0xc0 => signed_left < signed_right,
        0xd0 => signed_left <= signed_right,
        _ => bail!("comparison {code:#x} is not known here"),
    })
}
