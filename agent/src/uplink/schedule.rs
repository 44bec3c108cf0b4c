//! Bandwidth over the week: a cap in general, and windows with a cap of their own, in the local time of the device.

use std::{fmt, str::FromStr};

use jiff::{
    Zoned,
    civil::{Time, Weekday},
};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::rate::Rate;

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];
const MINUTES_A_DAY: usize = 24 * 60;

/// A time of the week with a bandwidth of its own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Window {
    /// Days on which it begins, e.g. `mon-fri` or `sat,sun`; all when left out.
    #[serde(default)]
    #[schemars(with = "String")]
    pub days: Days,
    /// When it begins, e.g. `08:00`.
    #[schemars(with = "String")]
    pub from: Clock,
    /// When it ends, e.g. `18:00`; one that is not after `from` is of the next day, and `00:00` is midnight.
    #[schemars(with = "String")]
    pub to: Clock,
    /// What may go meanwhile, e.g. `500kbit/s`; `0` keeps everything on the device.
    #[schemars(with = "String")]
    pub bandwidth: Rate,
}

/// Days of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days([bool; 7]);

/// A time of the day, to the minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    hour: u8,
    minute: u8,
}

/// A schedule that is refused.
#[derive(Debug, thiserror::Error)]
pub enum InvalidSchedule {
    /// No days.
    #[error("'{0}' is refused: expected days such as mon-fri or sat,sun")]
    Days(String),
    /// No time of the day.
    #[error("'{0}' is refused: expected a time such as 08:00")]
    Time(String),
    /// Two windows at once.
    #[error(
        "window {second} overlaps window {first} on {day} at {hour:02}:{minute:02}; expected windows that do not overlap"
    )]
    Overlap {
        /// The earlier in the file, counted from 1.
        first: usize,
        /// The later.
        second: usize,
        /// When both are open.
        day: &'static str,
        /// When both are open.
        hour: usize,
        /// When both are open.
        minute: usize,
    },
}

/// What may go at each time of the week.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    general: Option<Rate>,
    windows: Vec<Window>,
}

impl Schedule {
    /// `general` holds outside of the windows; `None` is no cap. The order of the windows means nothing.
    ///
    /// # Errors
    /// Two windows overlap.
    pub fn new(general: Option<Rate>, windows: &[Window]) -> Result<Self, InvalidSchedule> {
        // Minute by minute over the week: no rule about days, midnights and order can be forgotten.
        for minute in 0..7 * MINUTES_A_DAY {
            let (day, clock) = (minute / MINUTES_A_DAY, minute % MINUTES_A_DAY);
            let mut open = (1..)
                .zip(windows)
                .filter(|(_, window)| window.holds(day, clock));
            if let (Some((first, _)), Some((second, _))) = (open.next(), open.next()) {
                return Err(InvalidSchedule::Overlap {
                    first,
                    second,
                    day: DAYS[day].0,
                    hour: clock / 60,
                    minute: clock % 60,
                });
            }
        }
        Ok(Self {
            general,
            windows: windows.to_vec(),
        })
    }

    /// Whether it is the same at all times.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        self.windows.is_empty()
    }

    /// What may go at this time; `None` is no cap.
    #[must_use]
    pub fn at(&self, now: &Zoned) -> Option<Rate> {
        let day = usize::from(now.weekday().to_monday_zero_offset().unsigned_abs());
        let time: Time = now.time();
        let minute = usize::from(time.hour().unsigned_abs()) * 60
            + usize::from(time.minute().unsigned_abs());
        let open = self.windows.iter().find(|window| window.holds(day, minute));
        open.map(|window| window.bandwidth).or(self.general)
    }
}

impl Window {
    /// Whether it is open on this day (0 is Monday) at this minute.
    fn holds(&self, day: usize, minute: usize) -> bool {
        let (from, to) = (self.from.minutes(), self.to.minutes());
        let yesterday = (day + 6) % 7;
        if from < to {
            self.days.0[day] && (from..to).contains(&minute)
        } else {
            self.days.0[day] && minute >= from || self.days.0[yesterday] && minute < to
        }
    }
}

impl Clock {
    fn minutes(self) -> usize {
        usize::from(self.hour) * 60 + usize::from(self.minute)
    }
}

impl Default for Days {
    fn default() -> Self {
        Self([true; 7])
    }
}

impl FromStr for Days {
    type Err = InvalidSchedule;

    fn from_str(text: &str) -> Result<Self, InvalidSchedule> {
        let invalid = || InvalidSchedule::Days(text.chars().take(40).collect());
        let index = |name: &str| {
            let known = DAYS.iter().position(|(day, _)| *day == name.trim());
            known.ok_or_else(invalid)
        };
        let mut days = [false; 7];
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (mut day, last) = (index(first)?, index(last)?);
            days[day] = true;
            // Over the weekend if need be: `fri-mon`.
            while day != last {
                day = (day + 1) % 7;
                days[day] = true;
            }
        }
        Ok(Self(days))
    }
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chosen = DAYS.iter().zip(self.0).filter(|(_, chosen)| *chosen);
        let names: Vec<_> = chosen.map(|((name, _), _)| *name).collect();
        f.write_str(&names.join(","))
    }
}

impl FromStr for Clock {
    type Err = InvalidSchedule;

    fn from_str(text: &str) -> Result<Self, InvalidSchedule> {
        let number = |part: &str, below: u8| {
            let digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
            let number: u8 = part.parse().ok()?;
            (digits && number < below).then_some(number)
        };
        text.split_once(':')
            .and_then(|(hour, minute)| Some((number(hour, 24)?, number(minute, 60)?)))
            .map(|(hour, minute)| Self { hour, minute })
            .ok_or_else(|| InvalidSchedule::Time(text.chars().take(40).collect()))
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.hour, self.minute)
    }
}

/// Both are written as texts.
macro_rules! as_text {
    ($($kind:ty)*) => {$(
        impl<'de> Deserialize<'de> for $kind {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }

        impl Serialize for $kind {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )*};
}

as_text!(Days Clock);

#[cfg(test)]
mod tests {
    use super::*;

    fn window(days: &str, from: &str, to: &str, bandwidth: &str) -> Window {
        Window {
            days: days.parse().unwrap(),
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
            bandwidth: bandwidth.parse().unwrap(),
        }
    }

    fn at(schedule: &Schedule, time: &str) -> String {
        let now: Zoned = time.parse().unwrap();
        let rate = schedule.at(&now);
        rate.map_or_else(|| "any".to_owned(), |rate| rate.to_string())
    }

    #[test]
    fn windows_hold_on_their_days_and_the_general_cap_between_them() {
        // 2026-03-30 is a Monday.
        let windows = [
            window("sat,sun", "22:00", "06:00", "0"),
            window("mon-fri", "08:00", "18:00", "500kbit/s"),
        ];
        let schedule = Schedule::new(Some("2Mbit/s".parse().unwrap()), &windows).unwrap();
        for (time, rate) in [
            ("2026-03-30T07:59:59[Europe/Berlin]", "2Mbit/s"),
            ("2026-03-30T08:00:00[Europe/Berlin]", "500kbit/s"),
            ("2026-03-30T17:59:59[Europe/Berlin]", "500kbit/s"),
            ("2026-03-30T18:00:00[Europe/Berlin]", "2Mbit/s"),
            ("2026-04-04T12:00:00[Europe/Berlin]", "2Mbit/s"),
            ("2026-04-04T23:00:00[Europe/Berlin]", "0"),
            // The night from Sunday on is Sunday's, also on Monday morning.
            ("2026-04-06T05:59:00[Europe/Berlin]", "0"),
            ("2026-04-07T05:59:00[Europe/Berlin]", "2Mbit/s"),
        ] {
            assert_eq!(at(&schedule, time), rate, "{time}");
        }
        assert_eq!(at(&Schedule::default(), "2026-03-30T07:00:00[UTC]"), "any");
    }

    #[test]
    fn the_clocks_change_moves_no_window() {
        let windows = [window("sun", "02:30", "04:00", "1kbit/s")];
        let schedule = Schedule::new(None, &windows).unwrap();
        // On this Sunday 02:00 is followed by 03:00.
        assert_eq!(at(&schedule, "2026-03-29T01:59:00[Europe/Berlin]"), "any");
        assert_eq!(
            at(&schedule, "2026-03-29T03:00:00[Europe/Berlin]"),
            "1kbit/s"
        );
        assert_eq!(at(&schedule, "2026-03-29T04:00:00[Europe/Berlin]"), "any");
    }

    #[test]
    fn windows_that_overlap_are_refused_with_their_place() {
        let windows = [
            window("fri-mon", "20:00", "08:00", "1Mbit/s"),
            window("tue", "07:00", "09:00", "2Mbit/s"),
        ];
        let error = Schedule::new(None, &windows).unwrap_err().to_string();
        assert!(
            error.starts_with("window 2 overlaps window 1 on tue at 07:00"),
            "{error}"
        );
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["8:00", "24:00", "08:60", "08", "+8:00", ""] {
            assert!(text.parse::<Clock>().is_err(), "{text}");
        }
        for text in ["", "monday", "mon-", "mon,,tue"] {
            assert!(text.parse::<Days>().is_err(), "{text}");
        }
        let days: Days = "fri-mon".parse().unwrap();
        assert_eq!(days.to_string(), "mon,fri,sat,sun");
    }
}
