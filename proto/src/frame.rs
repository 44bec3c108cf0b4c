//! `Frame` written by hand, because it keeps what it does not know: a service that hands a frame on hands on all of it, although the
//! agent that took it and the service that wants it are newer. Everything else of `airside.v1` is generated, and passes over what
//! it does not know.

use bytes::{Buf, BufMut, Bytes};
use prost::{
    DecodeError,
    encoding::{self, DecodeContext, WireType},
};

use crate::v1::{Event, FrameId};

/// One captured picture and where it was taken; the fields are those of `frame.proto`.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Frame {
    /// Which one.
    #[prost(message, optional, tag = "1")]
    pub id: Option<FrameId>,
    /// Microseconds since 1970-01-01T00:00:00Z, by the agent's clock, when the frame was captured.
    #[prost(int64, tag = "2")]
    pub captured_at_us: i64,
    /// Section the camera stands at, e.g. "1".
    #[prost(string, tag = "3")]
    pub section: String,
    /// Which way people go there.
    #[prost(enumeration = "Event", tag = "4")]
    pub event: i32,
    /// The picture as JPEG (baseline or progressive) or PNG. Never copied on the way.
    #[prost(bytes = "bytes", tag = "5")]
    pub image: Bytes,
    /// Free text handed through from the stream's configuration; may be empty.
    #[prost(string, tag = "6")]
    pub extra_info: String,
    /// W3C traceparent of this frame; empty if it has none.
    #[prost(string, tag = "7")]
    pub traceparent: String,
    /// Roughly when the oldest frame of the camera was captured that its agent has still to send; `None` when there is none.
    #[prost(int64, optional, tag = "8")]
    pub awaited_since_us: Option<i64>,
    /// Fields of later versions, which `frame.proto` reserves numbers for.
    #[prost(oneof = "Later", tags = "9, 10, 11, 12, 13, 14, 15")]
    pub later: Option<Later>,
}

/// Fields that this version has no names for, as they came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Later(Vec<u8>);

/// What prost's derived code asks of a field that is one of several.
impl Later {
    fn merge(
        later: &mut Option<Self>,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        let Self(kept) = later.get_or_insert_default();
        match wire_type {
            WireType::Varint => {
                let mut value = 0;
                encoding::uint64::merge(wire_type, &mut value, buf, context)?;
                encoding::uint64::encode(tag, &value, kept);
            }
            WireType::ThirtyTwoBit => {
                let mut value = 0;
                encoding::fixed32::merge(wire_type, &mut value, buf, context)?;
                encoding::fixed32::encode(tag, &value, kept);
            }
            WireType::SixtyFourBit => {
                let mut value = 0;
                encoding::fixed64::merge(wire_type, &mut value, buf, context)?;
                encoding::fixed64::encode(tag, &value, kept);
            }
            WireType::LengthDelimited => {
                let mut value = Bytes::new();
                encoding::bytes::merge(wire_type, &mut value, buf, context)?;
                encoding::bytes::encode(tag, &value, kept);
            }
            // Not in proto3.
            WireType::StartGroup | WireType::EndGroup => {
                encoding::skip_field(wire_type, tag, buf, context)?;
            }
        }
        Ok(())
    }

    fn encode(&self, buf: &mut impl BufMut) {
        buf.put_slice(&self.0);
    }

    fn encoded_len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    /// The next version's frame: a field of each kind on the wire, one of them twice.
    #[derive(Clone, PartialEq, prost::Message)]
    struct Newer {
        #[prost(string, tag = "3")]
        section: String,
        #[prost(sint64, tag = "12")]
        varint: i64,
        #[prost(fixed32, tag = "9")]
        four_bytes: u32,
        #[prost(double, tag = "10")]
        eight_bytes: f64,
        #[prost(string, repeated, tag = "11")]
        texts: Vec<String>,
        #[prost(message, optional, tag = "15")]
        message: Option<FrameId>,
    }

    fn newer() -> Newer {
        Newer {
            section: "1".to_owned(),
            varint: -300,
            four_bytes: 7,
            eight_bytes: 0.5,
            texts: vec!["one".to_owned(), String::new()],
            message: Some(FrameId {
                agent: "gate".to_owned(),
                ..FrameId::default()
            }),
        }
    }

    #[test]
    fn fields_of_a_later_version_are_kept() {
        let frame = Frame::decode(&*newer().encode_to_vec()).unwrap();
        assert_eq!(frame.section, "1");
        assert_eq!(frame.encoded_len(), frame.encode_to_vec().len());
        let handed_on = Newer::decode(&*frame.encode_to_vec()).unwrap();
        assert_eq!(handed_on, newer());
    }

    #[test]
    fn a_field_that_breaks_off_is_refused() {
        let whole = newer().encode_to_vec();
        let known = Newer {
            section: "1".to_owned(),
            ..Newer::default()
        };
        // Beginnings that end between two fields are messages.
        let whole_beginnings = (known.encoded_len()..whole.len())
            .filter(|&end| Frame::decode(&whole[..end]).is_ok())
            .count();
        // Behind `section` and behind each of the five fields that come before the last one.
        assert_eq!(whole_beginnings, 6);
    }

    #[test]
    fn it_is_what_the_proto_file_says() {
        let files = prost_types::FileDescriptorSet::decode(crate::FILE_DESCRIPTOR_SET).unwrap();
        let message = files
            .file
            .iter()
            .flat_map(|file| &file.message_type)
            .find(|message| message.name() == "Frame")
            .unwrap();
        let fields: Vec<_> = message
            .field
            .iter()
            .map(|field| (field.number(), field.name(), field.r#type().as_str_name()))
            .collect();
        assert_eq!(
            fields,
            [
                (1, "id", "TYPE_MESSAGE"),
                (2, "captured_at_us", "TYPE_INT64"),
                (3, "section", "TYPE_STRING"),
                (4, "event", "TYPE_ENUM"),
                (5, "image", "TYPE_BYTES"),
                (6, "extra_info", "TYPE_STRING"),
                (7, "traceparent", "TYPE_STRING"),
                (8, "awaited_since_us", "TYPE_INT64"),
            ]
        );
        let reserved: Vec<_> = message.reserved_range.iter().collect();
        // The end is exclusive.
        assert!(matches!(reserved[..], [range] if (range.start(), range.end()) == (9, 16)));
    }
}
