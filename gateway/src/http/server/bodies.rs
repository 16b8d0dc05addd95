//! Bodies on the wire: those that come in are paced, those that go out hold memory that was reserved for them.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use axum::{
    body::{Body, Bytes, HttpBody},
    http::Response,
};
use futures_util::{FutureExt, future::BoxFuture, task::AtomicWaker};
use hyper::body::{Frame, Incoming, SizeHint};

use super::{
    budget::{Exhausted, Holding, Reserved, Share},
    link::Running,
    transfer::{Lost, Transfer},
};
use crate::{http::layers::Whole, registry::BodyError, storage::PIECE_BYTES_MAX};

/// What comes in pieces shorter than this is copied out of the buffer that it was read into: else a few bytes would keep some kilobytes.
const COPIED_BYTES_MAX: usize = 4 << 10;
/// Answers up to this size need no reservation; what connections hold at most counts them in.
pub(super) const SMALL_BYTES_MAX: u64 = 4 << 10;

/// The body of a request as it comes. It ends with a [`BodyError`] where the client is too slow.
pub(super) struct Coming {
    body: Incoming,
    transfer: Arc<Transfer>,
    /// Made when the client is waited for the first time.
    lost: Option<BoxFuture<'static, Lost>>,
    ended: bool,
}

impl Coming {
    pub(super) fn new(body: Incoming, transfer: Arc<Transfer>) -> Self {
        let ended = body.is_end_stream();
        Self {
            body,
            transfer,
            lost: None,
            ended,
        }
    }

    /// The client is waited for: returns why the wait ends, once it does.
    fn poll_lost(&mut self, context: &mut Context<'_>) -> Poll<Lost> {
        self.transfer.waits();
        let transfer = &self.transfer;
        let lost = self.lost.get_or_insert_with(|| {
            let transfer = transfer.clone();
            async move { transfer.lost().await }.boxed()
        });
        lost.poll_unpin(context)
    }
}

impl HttpBody for Coming {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                self.transfer.passed(bytes);
                Poll::Ready(Some(Ok(frame.map_data(unpinned))))
            }
            Poll::Ready(end) => {
                self.ended = true;
                self.transfer.passed(0);
                Poll::Ready(end.map(|end| end.map_err(Into::into)))
            }
            Poll::Pending => {
                let lost = ready!(self.poll_lost(context));
                self.ended = true;
                let error = match lost {
                    Lost::TooSlow(fault) => BodyError::TooSlow(fault),
                    Lost::Pressed => BodyError::Pressed,
                };
                Poll::Ready(Some(Err(error.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn unpinned(data: Bytes) -> Bytes {
    if data.len() < COPIED_BYTES_MAX {
        Bytes::copy_from_slice(&data)
    } else {
        data
    }
}

/// What of an answer was handed over to be sent and has not left.
struct Leaving {
    transfer: Arc<Transfer>,
    pieces: AtomicUsize,
    sent: AtomicWaker,
    _holding: Holding,
    _running: Running,
}

/// A piece of an answer with the memory that was reserved for it.
struct Piece {
    data: Bytes,
    leaving: Arc<Leaving>,
    /// Nothing where the answer keeps memory for it.
    _reserved: Option<Reserved>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.leaving.transfer.passed(self.data.len());
        if self.leaving.pieces.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.leaving.sent.wake();
        } else {
            self.leaving.transfer.waits();
        }
    }
}

/// The body of an answer on its way out.
pub(super) struct Going {
    body: Body,
    way: Way,
}

enum Way {
    /// The whole body is so small that nothing is reserved for it.
    Small(Small),
    /// It goes piece by piece.
    Pieces(Pieces),
}

/// A small answer that waits until its client takes something: without room for it nobody asks for the body.
struct Small {
    transfer: Arc<Transfer>,
    _running: Running,
}

impl Small {
    fn new(transfer: Arc<Transfer>, running: Running) -> Self {
        transfer.waits();
        Self {
            transfer,
            _running: running,
        }
    }

    fn poll_frame(&mut self, body: &mut Body, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        // There is room.
        match Pin::new(body).poll_frame(context) {
            // Until the body has something, the client is not who is waited for.
            Poll::Pending => {
                self.transfer.passed(0);
                Poll::Pending
            }
            Poll::Ready(frame) => {
                if let Some(Ok(frame)) = &frame {
                    self.transfer.took(frame.data_ref().map_or(0, Bytes::len));
                }
                Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
            }
        }
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        self.transfer.passed(0);
    }
}

struct Pieces {
    memory: Arc<Share>,
    leaving: Arc<Leaving>,
    reserved: Option<Reserved>,
    /// What is reserved for as long as the answer goes on: for what it is made of, and for one piece at a time.
    kept: Option<Reserved>,
    /// A reservation that is waited for.
    wanted: Option<BoxFuture<'static, Result<Reserved, Exhausted>>>,
    /// A piece that is larger than what was reserved for it.
    large: Option<Bytes>,
    ended: bool,
}

impl Going {
    /// Returns how much memory has to be reserved before an answer begins: that of a body which is at hand, or of one that is made of
    /// what is at hand.
    pub(super) fn needs(answer: &Response<Body>) -> Option<u64> {
        match (answer.body().size_hint().exact(), answer.extensions().get::<Whole>()) {
            (Some(bytes), _) => Some(bytes).filter(|bytes| *bytes > SMALL_BYTES_MAX),
            (None, Some(Whole(bytes))) => Some(bytes.saturating_add(PIECE_BYTES_MAX as u64)),
            (None, None) => None,
        }
    }

    pub(super) fn new(
        body: Body,
        memory: &Arc<Share>,
        reserved: Option<Reserved>,
        transfer: &Arc<Transfer>,
        running: Running,
    ) -> Self {
        let is_small = body.size_hint().upper().is_some_and(|bytes| bytes <= SMALL_BYTES_MAX);
        let is_one_piece = body.size_hint().exact().is_some();
        let (reserved, kept) = if is_one_piece { (reserved, None) } else { (None, reserved) };
        let way = if is_small {
            Way::Small(Small::new(transfer.clone(), running))
        } else {
            Way::Pieces(Pieces {
                memory: memory.clone(),
                leaving: Arc::new(Leaving {
                    transfer: transfer.clone(),
                    pieces: AtomicUsize::new(0),
                    sent: AtomicWaker::new(),
                    _holding: memory.hold(transfer.clone()),
                    _running: running,
                }),
                reserved,
                kept,
                wanted: None,
                large: None,
                ended: false,
            })
        };
        Self { body, way }
    }
}

impl Pieces {
    /// Reserves memory for the next piece, where nothing is reserved.
    fn poll_reserve(&mut self, context: &mut Context<'_>) -> Poll<Result<Reserved, axum::BoxError>> {
        if let Some(reserved) = self.reserved.take() {
            return Poll::Ready(Ok(reserved));
        }
        let bytes = self.large.as_ref().map_or(PIECE_BYTES_MAX, Bytes::len) as u64;
        if self.wanted.is_none()
            && let Some(reserved) = self.memory.try_reserve(bytes)
        {
            return Poll::Ready(Ok(reserved));
        }
        let memory = &self.memory;
        let wanted = self.wanted.get_or_insert_with(|| {
            let memory = memory.clone();
            async move { memory.reserve(bytes).await }.boxed()
        });
        let waited = ready!(wanted.poll_unpin(context));
        self.wanted = None;
        Poll::Ready(waited.map_err(|Exhausted| "there was no memory left for the answer".into()))
    }

    fn poll_frame(&mut self, body: &mut Body, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        while !self.ended {
            let reserved = if self.kept.is_some() {
                ready!(self.poll_left(context));
                None
            } else {
                Some(ready!(self.poll_reserve(context))?)
            };
            if let Some(data) = self.large.take() {
                return Poll::Ready(Some(Ok(Frame::data(self.hand_over(data, reserved)))));
            }
            match Pin::new(&mut *body).poll_frame(context) {
                Poll::Pending => {
                    self.reserved = reserved;
                    return Poll::Pending;
                }
                Poll::Ready(None) => self.ended = true,
                Poll::Ready(Some(Err(error))) => {
                    self.ended = true;
                    return Poll::Ready(Some(Err(error.into())));
                }
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) if reserved.as_ref().is_none_or(|reserved| reserved.is_enough_for(data.len())) => {
                        return Poll::Ready(Some(Ok(Frame::data(self.hand_over(data, reserved)))));
                    }
                    Ok(data) => self.large = Some(data),
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
            }
        }
        // The end is told once everything has left, so that whoever paces the answer is there until then.
        self.poll_left(context).map(|()| None)
    }

    /// Waits until everything that was handed over has left.
    fn poll_left(&self, context: &mut Context<'_>) -> Poll<()> {
        self.leaving.sent.register(context.waker());
        match self.leaving.pieces.load(Ordering::Acquire) {
            0 => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }

    fn hand_over(&self, data: Bytes, mut reserved: Option<Reserved>) -> Bytes {
        if let Some(reserved) = &mut reserved {
            reserved.shrink(data.len());
        }
        self.leaving.pieces.fetch_add(1, Ordering::AcqRel);
        self.leaving.transfer.waits();
        Bytes::from_owner(Piece {
            data,
            leaving: self.leaving.clone(),
            _reserved: reserved,
        })
    }
}

impl HttpBody for Going {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Self { body, way } = &mut *self;
        match way {
            Way::Small(small) => small.poll_frame(body, context),
            Way::Pieces(pieces) => pieces.poll_frame(body, context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.way {
            Way::Small(_) => self.body.is_end_stream(),
            Way::Pieces(pieces) => pieces.ended && pieces.leaving.pieces.load(Ordering::Acquire) == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.way {
            Way::Pieces(Pieces { large: Some(_), .. }) => SizeHint::default(),
            _ => self.body.size_hint(),
        }
    }
}
