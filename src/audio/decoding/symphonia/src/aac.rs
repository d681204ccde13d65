//! High-efficiency AAC is AAC of half the rate, or of one channel, and a description of what is missing. Symphonia refuses
//! that description; without it the speech is all there, since 16 kHz is asked for and 22 kHz are left.

use symphonia::core::codecs::audio::AudioCodecParameters;

const LOW_COMPLEXITY: u32 = 2;
const SPECTRAL_BAND_REPLICATION: u32 = 5;
const PARAMETRIC_STEREO: u32 = 29;
const EXPLICIT_RATE: u32 = 15;

/// The same parameters with a header that speaks of the low-complexity part alone. As they are if the header is something else.
pub fn without_extensions(params: &AudioCodecParameters) -> AudioCodecParameters {
    let mut plain = params.clone();
    if let Some(header) = params.extra_data.as_deref().and_then(plain_header) {
        plain.with_extra_data(header);
    }
    plain
}

fn plain_header(header: &[u8]) -> Option<Box<[u8]>> {
    let mut bits = Bits { bytes: header, at: 0 };
    let mut object_type = bits.take(5)?;
    let rate_index = bits.take(4)?;
    let rate = if rate_index == EXPLICIT_RATE { bits.take(24)? } else { 0 };
    let channels = bits.take(4)?;
    if object_type == SPECTRAL_BAND_REPLICATION || object_type == PARAMETRIC_STEREO {
        if bits.take(4)? == EXPLICIT_RATE {
            bits.take(24)?;
        }
        object_type = bits.take(5)?;
    }
    if object_type != LOW_COMPLEXITY {
        return None;
    }
    // Whether a frame has 960 samples, depends on another stream, or has more to it.
    let rest = bits.take(3)?;
    let rate_len = if rate_index == EXPLICIT_RATE { 24 } else { 0 };
    let mut written = 0u64;
    let mut len: u32 = 0;
    for (value, value_len) in [(LOW_COMPLEXITY, 5), (rate_index, 4), (rate, rate_len), (channels, 4), (rest, 3)] {
        written = (written << value_len) | u64::from(value);
        len += value_len;
    }
    Some((written << (64 - len)).to_be_bytes()[..len as usize / 8].into())
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> Option<u32> {
        let mut value = 0;
        for at in self.at..self.at + count {
            value = (value << 1) | u32::from(self.bytes.get(at / 8)? >> (7 - at % 8) & 1);
        }
        self.at += count;
        Some(value)
    }
}
