//! Recordings → samples, by Symphonia, for a host that hands over bytes when asked. One recording an instance of this module.
//! Opus, which Symphonia does not decode, is handed out as it is.

use std::cell::RefCell;
use std::io::{Error as IoError, ErrorKind, Read, Result as IoResult, Seek, SeekFrom};

use symphonia::core::codecs::audio::well_known::{CODEC_ID_AAC, CODEC_ID_OPUS};
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::{Error, Result};
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream};
use symphonia::core::meta::MetadataOptions;
use symphonia::default::{get_codecs, get_probe};

mod aac;

#[link(wasm_import_module = "host")]
unsafe extern "C" {
    /// Fills what it can; 0 is the end.
    fn read(into: *mut u8, len: usize) -> usize;
    /// Where the next read begins. Only called if the length was told.
    fn seek(position: f64);
}

struct Source {
    position: u64,
    len: Option<u64>,
}

impl Read for Source {
    fn read(&mut self, into: &mut [u8]) -> IoResult<usize> {
        let count = unsafe { read(into.as_mut_ptr(), into.len()) };
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for Source {
    fn seek(&mut self, to: SeekFrom) -> IoResult<u64> {
        let Some(len) = self.len else { return Err(ErrorKind::Unsupported.into()) };
        let target = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
            SeekFrom::End(offset) => len.checked_add_signed(offset),
        };
        self.position = target.ok_or_else(|| IoError::from(ErrorKind::InvalidInput))?;
        unsafe { seek(self.position as f64) };
        Ok(self.position)
    }
}

impl MediaSource for Source {
    fn is_seekable(&self) -> bool {
        self.len.is_some()
    }
    fn byte_len(&self) -> Option<u64> {
        self.len
    }
}

/// Who turns the packets of the track that is heard into samples.
enum Codec {
    Ours(Box<dyn AudioDecoder>),
    /// The host.
    Opus,
}

struct Recording {
    format: Box<dyn FormatReader>,
    codec: Codec,
    track: u32,
    /// The codec's own header.
    setup: Vec<u8>,
    /// Planar: one channel behind the other.
    samples: Vec<f32>,
    packet: Box<[u8]>,
    rate: u32,
    channels: usize,
}

thread_local! {
    static RECORDING: RefCell<Option<Recording>> = const { RefCell::new(None) };
    static FAILURE: RefCell<String> = const { RefCell::new(String::new()) };
}

fn open_recording(len: Option<u64>) -> Result<Recording> {
    let source = MediaSourceStream::new(Box::new(Source { position: 0, len }), Default::default());
    let format = get_probe().probe(&Hint::new(), source, FormatOptions::default(), MetadataOptions::default())?;
    let mut recording = Recording {
        format,
        codec: Codec::Opus,
        track: 0,
        setup: Vec::new(),
        samples: Vec::new(),
        packet: Box::default(),
        rate: 0,
        channels: 0,
    };
    recording.choose_track()?;
    Ok(recording)
}

impl Recording {
    fn choose_track(&mut self) -> Result<()> {
        let track = self.format.default_track(TrackType::Audio).or_else(|| self.format.first_track_known_codec(TrackType::Audio));
        let track = track.ok_or(Error::Unsupported("no sound in this file"))?;
        let params = track.codec_params.as_ref().and_then(|params| params.audio());
        let params = params.ok_or(Error::Unsupported("a codec that is not known"))?;
        self.track = track.id;
        self.setup = params.extra_data.as_deref().unwrap_or_default().to_vec();
        self.codec = match params.codec {
            CODEC_ID_OPUS => Codec::Opus,
            CODEC_ID_AAC => Codec::Ours(make_decoder(&aac::without_extensions(params))?),
            _ => Codec::Ours(make_decoder(params)?),
        };
        Ok(())
    }

    /// The kind of what was found: `SAMPLES`, `PACKET` or `END`.
    fn next(&mut self) -> Result<i32> {
        loop {
            let packet = match self.format.next_packet() {
                Ok(Some(packet)) => packet,
                Ok(None) => return Ok(END),
                // Another recording lies behind the first, as in a chained Ogg file.
                Err(Error::ResetRequired) => {
                    self.choose_track()?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            if packet.track_id != self.track {
                continue;
            }
            let decoder = match &mut self.codec {
                Codec::Opus => {
                    self.packet = packet.data;
                    return Ok(PACKET);
                }
                Codec::Ours(decoder) => decoder,
            };
            let decoded = match decoder.decode(&packet) {
                Ok(decoded) => decoded,
                // What is damaged is left out.
                Err(Error::DecodeError(_) | Error::IoError(_)) => continue,
                Err(Error::ResetRequired) => {
                    decoder.reset();
                    continue;
                }
                Err(error) => return Err(error),
            };
            if decoded.frames() == 0 {
                continue;
            }
            self.rate = decoded.spec().rate();
            self.channels = decoded.num_planes();
            let frames = decoded.frames();
            self.samples.resize(frames * self.channels, 0.0);
            let mut planes: Vec<&mut [f32]> = self.samples.chunks_exact_mut(frames).collect();
            decoded.copy_to_slice_planar(&mut planes);
            return Ok(SAMPLES);
        }
    }
}

fn make_decoder(params: &AudioCodecParameters) -> Result<Box<dyn AudioDecoder>> {
    get_codecs().make_audio_decoder(params, &AudioDecoderOptions::default())
}

const END: i32 = 0;
const SAMPLES: i32 = 1;
const PACKET: i32 = 2;
const FAILED: i32 = 3;
/// The bytes ended where they should not.
const CUT_OFF: i32 = 4;

fn told<T>(result: Result<T>, well: impl Fn(T) -> i32) -> i32 {
    let error = match result {
        Ok(value) => return well(value),
        Err(error) => error,
    };
    if matches!(&error, Error::IoError(error) if error.kind() == ErrorKind::UnexpectedEof) {
        return CUT_OFF;
    }
    FAILURE.with_borrow_mut(|failure| *failure = error.to_string());
    FAILED
}

/// `len` in bytes makes the source one that can be sought in; below 0 it is read from front to back. 0 is well.
#[unsafe(no_mangle)]
extern "C" fn open(len: f64) -> i32 {
    let opened = open_recording((len >= 0.0).then_some(len as u64));
    told(opened, |recording| {
        RECORDING.set(Some(recording));
        0
    })
}

#[unsafe(no_mangle)]
extern "C" fn next() -> i32 {
    told(with(Recording::next), |kind| kind)
}

fn with<T>(action: impl FnOnce(&mut Recording) -> T) -> T {
    RECORDING.with_borrow_mut(|recording| action(recording.as_mut().expect("opened before")))
}

#[unsafe(no_mangle)]
extern "C" fn rate() -> u32 {
    with(|recording| recording.rate)
}

#[unsafe(no_mangle)]
extern "C" fn channels() -> usize {
    with(|recording| recording.channels)
}

#[unsafe(no_mangle)]
extern "C" fn frames() -> usize {
    with(|recording| recording.samples.len() / recording.channels.max(1))
}

#[unsafe(no_mangle)]
extern "C" fn samples() -> *const f32 {
    with(|recording| recording.samples.as_ptr())
}

#[unsafe(no_mangle)]
extern "C" fn packet() -> *const u8 {
    with(|recording| recording.packet.as_ptr())
}

#[unsafe(no_mangle)]
extern "C" fn packet_len() -> usize {
    with(|recording| recording.packet.len())
}

/// Whether `next` gives packets of Opus; `setup` is then its header.
#[unsafe(no_mangle)]
extern "C" fn is_opus() -> bool {
    with(|recording| matches!(recording.codec, Codec::Opus))
}

#[unsafe(no_mangle)]
extern "C" fn setup() -> *const u8 {
    with(|recording| recording.setup.as_ptr())
}

#[unsafe(no_mangle)]
extern "C" fn setup_len() -> usize {
    with(|recording| recording.setup.len())
}

#[unsafe(no_mangle)]
extern "C" fn failure() -> *const u8 {
    FAILURE.with_borrow(|failure| failure.as_ptr())
}

#[unsafe(no_mangle)]
extern "C" fn failure_len() -> usize {
    FAILURE.with_borrow(|failure| failure.len())
}
