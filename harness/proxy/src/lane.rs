//! One direction of a connection. Its state outlives the rules: the work of one rule can be dropped at any await, and that
//! of the next goes on with the byte after the last one that was handed over.

use std::collections::VecDeque;
use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::{Duration, Instant, sleep_until};

use crate::counters::{Counter, Counters};
use crate::pace::Pace;

/// Large, so that a plain copy takes few calls.
const BUFFER: usize = 64 << 10;

/// Why a connection ends before both its sides have ended it.
#[derive(Debug)]
pub(crate) enum Cut {
    /// A rule says so.
    Reset,
    /// One side is gone.
    Broken,
}

impl From<io::Error> for Cut {
    fn from(_: io::Error) -> Self {
        Self::Broken
    }
}

/// Bytes that are due later; none of them are the end of the stream.
#[derive(Debug)]
struct Piece {
    due: Instant,
    bytes: Vec<u8>,
    passed: usize,
}

#[derive(Debug)]
pub(crate) struct Lane {
    /// Read before `buffer`, and not handed over yet.
    held: VecDeque<Piece>,
    held_bytes: usize,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// The sender has ended the stream.
    read_all: bool,
    /// The receiver knows that the stream has ended.
    ended: bool,
    /// Something was taken away or made up: the connection cannot go on without the rule.
    tainted: bool,
}

/// A lane between its sockets.
pub(crate) struct Course<'a, 'b> {
    pub(crate) lane: &'a mut Lane,
    pub(crate) from: &'a mut ReadHalf<'b>,
    pub(crate) to: &'a mut WriteHalf<'b>,
    pub(crate) passed: &'a Counter,
    pub(crate) counters: &'a Counters,
}

impl Lane {
    pub(crate) fn new() -> Self {
        Self {
            held: VecDeque::new(),
            held_bytes: 0,
            buffer: vec![0; BUFFER].into_boxed_slice(),
            start: 0,
            end: 0,
            read_all: false,
            ended: false,
            tainted: false,
        }
    }

    pub(crate) fn is_tainted(&self) -> bool {
        self.tainted
    }

    /// Moves up to `most` bytes of the buffer into what is held.
    fn hold(&mut self, pace: &mut Pace<'_>) {
        let count = (self.end - self.start).min(pace.most());
        let bytes = self.buffer[self.start..self.start + count].to_vec();
        self.start += count;
        self.held_bytes += count;
        self.held.push_back(Piece { due: pace.due(Instant::now(), count), bytes, passed: 0 });
    }

    /// The end of the stream is late, too.
    fn hold_end(&mut self, pace: &mut Pace<'_>) {
        self.read_all = true;
        self.held.push_back(Piece { due: pace.due(Instant::now(), 0), bytes: Vec::new(), passed: 0 });
    }
}

impl Course<'_, '_> {
    /// The plain copy, until the end of the stream.
    pub(crate) async fn copy(mut self) -> Result<(), Cut> {
        loop {
            self.flush().await?;
            if self.lane.ended {
                return Ok(());
            }
            self.fill(BUFFER).await?;
        }
    }

    /// Everything arrives, and later.
    pub(crate) async fn copy_late(mut self, mut pace: Pace<'_>) -> Result<(), Cut> {
        // What another rule held is due now.
        let now = Instant::now();
        self.lane.held.iter_mut().for_each(|piece| piece.due = piece.due.min(now));
        while !self.lane.ended {
            let room = self.lane.held_bytes < pace.room() && !self.lane.read_all;
            if self.lane.start < self.lane.end && room {
                self.lane.hold(&mut pace);
                continue;
            }
            let due = self.lane.held.front().map(|piece| piece.due);
            tokio::select! {
                read = self.from.read(&mut self.lane.buffer[..pace.most()]), if room => {
                    let count = read?;
                    self.counters.late_bytes.add(count);
                    (self.lane.start, self.lane.end) = (0, count);
                    if count == 0 {
                        self.lane.hold_end(&mut pace);
                    }
                }
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.pass_front().await?,
                else => {
                    // Nothing is held and nothing will come.
                    self.flush().await?;
                }
            }
        }
        Ok(())
    }

    /// What the service sends vanishes; the first byte that does starts the time to the reset.
    pub(crate) async fn swallow(mut self, after: Duration) -> Result<(), Cut> {
        self.flush().await?;
        if self.lane.ended {
            return Ok(());
        }
        let mut reset_at = None;
        loop {
            tokio::select! {
                read = self.from.read(&mut self.lane.buffer), if !self.lane.read_all => {
                    let count = read?;
                    if count == 0 {
                        self.lane.read_all = true;
                        if !self.lane.tainted {
                            return Ok(self.flush().await?);
                        }
                        continue;
                    }
                    self.counters.swallowed_bytes.add(count);
                    self.lane.tainted = true;
                    reset_at.get_or_insert(Instant::now() + after);
                }
                () = sleep_until(reset_at.unwrap_or_else(Instant::now)), if reset_at.is_some() => return Err(Cut::Reset),
            }
        }
    }

    /// The receiver is told that the stream has ended, and the sender is not.
    pub(crate) async fn close_half(mut self) -> Result<(), Cut> {
        self.flush().await?;
        if !self.lane.ended {
            self.lane.tainted = true;
            self.lane.ended = true;
            self.to.shutdown().await?;
            self.counters.half_closed.add(1);
        }
        while !self.lane.read_all {
            let count = self.from.read(&mut self.lane.buffer).await?;
            self.lane.read_all = count == 0;
            self.counters.swallowed_bytes.add(count);
        }
        Ok(())
    }

    async fn fill(&mut self, most: usize) -> io::Result<()> {
        let count = self.from.read(&mut self.lane.buffer[..most]).await?;
        (self.lane.start, self.lane.end) = (0, count);
        self.lane.read_all = count == 0;
        Ok(())
    }

    /// Hands over all that was read, and the end of the stream if it was read.
    async fn flush(&mut self) -> io::Result<()> {
        while !self.lane.held.is_empty() {
            self.pass_front().await?;
        }
        while self.lane.start < self.lane.end {
            let count = self.to.write(&self.lane.buffer[self.lane.start..self.lane.end]).await?;
            if count == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.lane.start += count;
            self.passed.add(count);
        }
        if self.lane.read_all && !self.lane.ended {
            self.to.shutdown().await?;
            self.lane.ended = true;
        }
        Ok(())
    }

    /// Writes once of the oldest piece.
    async fn pass_front(&mut self) -> io::Result<()> {
        let Some(piece) = self.lane.held.front_mut() else { return Ok(()) };
        let left = &piece.bytes[piece.passed..];
        if left.is_empty() {
            // The end of the stream.
            self.to.shutdown().await?;
            self.lane.ended = true;
            self.lane.held.pop_front();
            return Ok(());
        }
        let count = self.to.write(left).await?;
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        piece.passed += count;
        if piece.passed == piece.bytes.len() {
            self.lane.held.pop_front();
        }
        self.lane.held_bytes -= count;
        self.passed.add(count);
        Ok(())
    }
}
