//! Sealing and opening records in place, and what else may come in them: alerts, tickets and new keys.

use super::provider::AES_GCM_RECORDS;
use super::record::{HEADER_BYTES, Header, MAX_PLAINTEXT_BYTES, MAX_SEALED_BYTES, content};
use super::secrets::RecordKeys;
use crate::crypto::{AeadCipher, CryptoProvider, TAG_BYTES};
use crate::security::{Alert, Channel, ChannelError, MAX_HANDSHAKE_MESSAGE_BYTES, Opened, Role};
use bytes::{Buf, BufMut, BytesMut};
use std::sync::Arc;

/// The most records without data that are accepted in a row: empty ones, tickets, new keys. One more ends the connection. It stops a
/// remote that lets us compute new keys, or just open records, for nothing; boringssl has the same limit.
pub(super) const MAX_RECORDS_WITHOUT_DATA: u8 = 32;

const CLOSE_NOTIFY: u8 = 0;
const USER_CANCELED: u8 = 90;

const NEW_SESSION_TICKET: u8 = 4;
const KEY_UPDATE: u8 = 24;
/// A KeyUpdate that does not ask for one in return.
const KEY_UPDATE_MESSAGE: [u8; 5] = [KEY_UPDATE, 0, 0, 1, 0];

/// The encrypted side of TLS.
pub(super) struct TlsChannel {
    role: Role,
    crypto: Arc<dyn CryptoProvider>,
    cipher: AeadCipher,
    outbound: RecordKeys,
    inbound: RecordKeys,
    /// The remote replaced its keys and wants us to replace ours.
    owes_key_update: bool,
    records_without_data: u8,
    /// How much of a ticket has yet to come. Tickets are not used, so they are not kept either.
    rest_of_ticket: usize,
    /// The remote has ended the channel, or broken it.
    ended: Option<Result<(), ChannelError>>,
}

impl TlsChannel {
    pub(super) fn new(
        role: Role,
        crypto: Arc<dyn CryptoProvider>,
        cipher: AeadCipher,
        outbound: RecordKeys,
        inbound: RecordKeys,
    ) -> Self {
        Self {
            role,
            crypto,
            cipher,
            outbound,
            inbound,
            owes_key_update: false,
            records_without_data: 0,
            rest_of_ticket: 0,
            ended: None,
        }
    }

    /// As if the remote had asked.
    #[cfg(test)]
    pub(super) fn ask_for_new_keys(&mut self) {
        self.owes_key_update = true;
    }

    /// As if so many records had been sealed.
    #[cfg(test)]
    pub(super) fn skip_to(&mut self, number: u64) {
        self.outbound.skip_to(number);
    }

    /// As if so many records had been opened.
    #[cfg(test)]
    pub(super) fn expect_from(&mut self, number: u64) {
        self.inbound.skip_to(number);
    }

    fn try_open(&mut self, input: &mut BytesMut) -> Result<Opened, ChannelError> {
        let Some(header) = Header::peek(input) else { return Ok(Opened::NeedMore) };
        if header.content != content::DATA {
            return Err(ChannelError::Malformed("it is not encrypted"));
        }
        if header.len > MAX_SEALED_BYTES {
            return Err(ChannelError::TooLarge { len: header.len as u64, max: MAX_SEALED_BYTES as u64 });
        }
        if header.len <= TAG_BYTES {
            return Err(ChannelError::Malformed("it is shorter than its tag and its type"));
        }
        if input.len() - HEADER_BYTES < header.len {
            return Ok(Opened::NeedMore);
        }
        input.advance(HEADER_BYTES);
        let mut record = input.split_to(header.len);
        let content = self.decrypt(&header, &mut record)?;
        self.receive(content, record)
    }

    /// Leaves the content in `record` and returns its type.
    fn decrypt(&mut self, header: &Header, record: &mut BytesMut) -> Result<u8, ChannelError> {
        let (data, tag) =
            record.split_last_chunk_mut().ok_or(ChannelError::Malformed("it is shorter than its tag"))?;
        self.inbound.open(&header.bytes, data, tag)?;
        // The type is the last byte that is not padding.
        let end = data.iter().rposition(|byte| *byte != 0);
        let end = end.ok_or(ChannelError::Malformed("it has no type"))?;
        if end > MAX_PLAINTEXT_BYTES {
            return Err(ChannelError::TooLarge { len: end as u64, max: MAX_PLAINTEXT_BYTES as u64 });
        }
        let content = data[end];
        record.truncate(end);
        Ok(content)
    }

    fn receive(&mut self, content: u8, record: BytesMut) -> Result<Opened, ChannelError> {
        if self.rest_of_ticket > 0 && content != content::HANDSHAKE {
            return Err(ChannelError::Malformed("a ticket has another record in its middle"));
        }
        match content {
            content::DATA if !record.is_empty() => {
                self.records_without_data = 0;
                return Ok(Opened::Plain(record));
            }
            content::DATA => {}
            content::ALERT => match record[..] {
                [_, CLOSE_NOTIFY] => return Ok(Opened::Closed),
                // Always followed by another.
                [_, USER_CANCELED] => {}
                [_, alert] => return Err(ChannelError::Refused(Alert(alert))),
                _ => return Err(ChannelError::Malformed("an alert has two bytes")),
            },
            content::HANDSHAKE => self.receive_handshake(&record)?,
            _ => return Err(ChannelError::Malformed("its type is unknown")),
        }
        self.records_without_data += 1;
        if self.records_without_data > MAX_RECORDS_WITHOUT_DATA {
            return Err(ChannelError::Malformed("it is one of too many without data"));
        }
        Ok(Opened::Plain(BytesMut::new()))
    }

    /// Takes messages of the handshake that may come after it. A ticket may be cut into records anywhere behind its header.
    fn receive_handshake(&mut self, record: &[u8]) -> Result<(), ChannelError> {
        if record.is_empty() {
            return Err(ChannelError::Malformed("a record of the handshake is empty"));
        }
        let mut rest = self.skip_ticket(record, self.rest_of_ticket);
        while !rest.is_empty() {
            let Some((&[kind, high, middle, low], body)) = rest.split_first_chunk() else {
                return Err(ChannelError::Malformed("a message of the handshake ends within its header"));
            };
            let len = u32::from_be_bytes([0, high, middle, low]) as usize;
            match (kind, self.role) {
                (KEY_UPDATE, _) => return self.receive_key_update(len, body),
                (NEW_SESSION_TICKET, Role::Dialer) if len > MAX_HANDSHAKE_MESSAGE_BYTES => {
                    let max = MAX_HANDSHAKE_MESSAGE_BYTES as u64;
                    return Err(ChannelError::TooLarge { len: len as u64, max });
                }
                (NEW_SESSION_TICKET, Role::Dialer) => rest = self.skip_ticket(body, len),
                _ => return Err(ChannelError::Malformed("a message of the handshake comes after its end")),
            }
        }
        Ok(())
    }

    /// What comes behind a ticket that has `len` more bytes.
    fn skip_ticket<'a>(&mut self, bytes: &'a [u8], len: usize) -> &'a [u8] {
        let skipped = len.min(bytes.len());
        self.rest_of_ticket = len - skipped;
        &bytes[skipped..]
    }

    /// The remote's next record has new keys, so nothing may follow in this one.
    fn receive_key_update(&mut self, len: usize, body: &[u8]) -> Result<(), ChannelError> {
        let (1, &[request @ 0..=1]) = (len, body) else {
            return Err(ChannelError::Malformed("a KeyUpdate is one byte and the last of its record"));
        };
        self.inbound = self.inbound.next(&*self.crypto, self.cipher);
        self.owes_key_update |= request == 1;
        Ok(())
    }

    /// Whether our keys are to be replaced before anything more is sealed.
    fn needs_new_keys(&self) -> bool {
        let worn = self.cipher == AeadCipher::Aes128Gcm && self.outbound.records() >= AES_GCM_RECORDS;
        self.owes_key_update || worn
    }

    /// Appends a record that tells the remote of new keys, and goes over to them.
    fn update_keys(&mut self, out: &mut BytesMut) -> Result<(), ChannelError> {
        let start = out.len();
        out.put_bytes(0, HEADER_BYTES);
        out.extend_from_slice(&KEY_UPDATE_MESSAGE);
        self.seal_record(content::HANDSHAKE, out, start)?;
        self.outbound = self.outbound.next(&*self.crypto, self.cipher);
        self.owes_key_update = false;
        Ok(())
    }

    /// Turns `out[start..]`, which is room for a header and then content, into a record.
    fn seal_record(&mut self, content: u8, out: &mut BytesMut, start: usize) -> Result<(), ChannelError> {
        out.put_u8(content);
        let (header, data) = out[start..].split_at_mut(HEADER_BYTES);
        header.copy_from_slice(&Header::sealed(data.len() + TAG_BYTES));
        let tag = self.outbound.seal(header, data)?;
        out.extend_from_slice(&tag);
        Ok(())
    }
}

impl Channel for TlsChannel {
    fn headroom(&self) -> usize {
        HEADER_BYTES
    }

    /// The type of the content and the tag.
    fn tailroom(&self) -> usize {
        1 + TAG_BYTES
    }

    fn max_plaintext(&self) -> usize {
        MAX_PLAINTEXT_BYTES
    }

    fn seal(&mut self, out: &mut BytesMut, frame_start: usize) -> Result<(), ChannelError> {
        let Some(len) = out.len().checked_sub(frame_start + HEADER_BYTES) else {
            return Err(ChannelError::Malformed("it was begun without headroom"));
        };
        if len > MAX_PLAINTEXT_BYTES {
            return Err(ChannelError::TooLarge { len: len as u64, max: MAX_PLAINTEXT_BYTES as u64 });
        }
        if !self.needs_new_keys() {
            return self.seal_record(content::DATA, out, frame_start);
        }
        let frame = out.split_off(frame_start);
        self.update_keys(out)?;
        let frame_start = out.len();
        out.unsplit(frame);
        self.seal_record(content::DATA, out, frame_start)
    }

    fn open(&mut self, input: &mut BytesMut) -> Result<Opened, ChannelError> {
        match &self.ended {
            Some(Ok(())) => return Ok(Opened::Closed),
            Some(Err(error)) => return Err(error.clone()),
            None => {}
        }
        let opened = self.try_open(input);
        match &opened {
            Ok(Opened::Closed) => self.ended = Some(Ok(())),
            Ok(_) => {}
            Err(error) => self.ended = Some(Err(error.clone())),
        }
        opened
    }
}
