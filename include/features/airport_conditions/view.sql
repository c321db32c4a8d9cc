-- One row an airport and hour: event_time is the hour's start, and its end is when all of it is known.
WITH hours AS (
    SELECT unnest(generate_series($interval_start, $interval_end - INTERVAL 1 HOUR, INTERVAL 1 HOUR)) AS hour
),
airports AS (
    SELECT origin FROM weather
    UNION
    SELECT origin FROM movements
),
observed AS (
    SELECT
        origin,
        hour,
        arg_max(temp, observed_at) FILTER (known_at >= hour - INTERVAL 2 HOUR) AS temp,
        arg_max(dewp, observed_at) FILTER (known_at >= hour - INTERVAL 2 HOUR) AS dewp,
        arg_max(wind_speed, observed_at) FILTER (known_at >= hour - INTERVAL 2 HOUR) AS wind_speed,
        arg_max(visib, observed_at) FILTER (known_at >= hour - INTERVAL 2 HOUR) AS visib,
        arg_max(pressure, observed_at) FILTER (known_at >= hour - INTERVAL 2 HOUR) AS pressure,
        count(*) FILTER (precip > 0)::DOUBLE AS wet_hours_12h
    FROM hours JOIN weather ON known_at >= hour - INTERVAL 11 HOUR AND known_at < hour + INTERVAL 1 HOUR
    GROUP BY origin, hour
),
landed AS (
    SELECT
        origin,
        hour,
        avg(dep_delay) FILTER (known_at >= hour - INTERVAL 2 HOUR) AS delay_3h,
        avg((arr_delay > 15)::INTEGER) AS late_share_24h
    FROM hours JOIN movements ON known_at >= hour - INTERVAL 23 HOUR AND known_at < hour + INTERVAL 1 HOUR
    GROUP BY origin, hour
)
SELECT
    origin,
    hour AS event_time,
    hour + INTERVAL 1 HOUR AS known_at,
    temp,
    dewp,
    wind_speed,
    visib,
    pressure,
    wet_hours_12h,
    delay_3h,
    late_share_24h
FROM airports
CROSS JOIN hours
LEFT JOIN observed USING (origin, hour)
LEFT JOIN landed USING (origin, hour)
