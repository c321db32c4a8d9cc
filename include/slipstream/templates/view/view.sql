-- A row is used by a prediction from its known_at on, never before. Rows from before the interval (the lookback) are
-- there to be counted with; of the result, rows with event_time in [$interval_start, $interval_end) are kept.
SELECT
    {{entity}},
    event_time,
    known_at,
{{columns}}
    count(*) OVER last_day::DOUBLE AS rows_1d
FROM {{source}}
WINDOW last_day AS (
    PARTITION BY {{entity}} ORDER BY known_at RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND CURRENT ROW
)
