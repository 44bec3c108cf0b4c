//! The bare GStreamer pipeline: decodes, thins out, scales and encodes as the agent does, and throws it away.

use std::process::{Child, Command, Stdio};

use anyhow::{Result, ensure};

/// `gst-launch-1.0`, killed when dropped.
pub(super) struct Bare(Child);

impl Bare {
    /// Plays `film`; with `pictures`, ends after so many.
    pub(super) fn start(film: &str, pictures: Option<u32>) -> Result<Self> {
        let location = format!("location={film}");
        let end = format!("num-buffers={}", pictures.map_or(-1, i64::from));
        let pipeline = [
            "filesrc",
            &location,
            "!",
            "qtdemux",
            "!",
            "avdec_h264",
            "max-threads=1",
            "!",
            "videorate",
            "drop-only=true",
            "!",
            "video/x-raw,framerate=15/1",
            "!",
            "videoconvertscale",
            "!",
            "video/x-raw,format=I420,width=1280,height=720",
            "!",
            "jpegenc",
            "quality=80",
            "!",
            "fakesink",
            "sync=true",
            &end,
        ];
        let child = Command::new("gst-launch-1.0")
            .arg("--quiet")
            .args(pipeline)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Self(child))
    }

    pub(super) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Makes sure that the film has not ended.
    pub(super) fn still_plays(&mut self) -> Result<()> {
        ensure!(self.0.try_wait()?.is_none(), "the film ended too early");
        Ok(())
    }

    /// Waits for its end.
    pub(super) fn ended(&mut self) -> Result<()> {
        ensure!(self.0.wait()?.success(), "gst-launch-1.0 failed");
        Ok(())
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // Fails only when it has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
