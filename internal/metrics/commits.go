package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"heyrelay/internal/spool"
)

var (
	commitTimeDesc = prometheus.NewDesc(namespace+"_spool_commit_duration_seconds",
		"Duration of the spool's transactions, including the wait for the disk.", nil, nil)
	commitSizeDesc = prometheus.NewDesc(namespace+"_spool_commit_operations",
		"Operations that were committed together.", nil, nil)
)

// commits is a collector of what a spool has counted.
type commits func() spool.Commits

// Describe implements prometheus.Collector.
func (commits) Describe(c chan<- *prometheus.Desc) {
	c <- commitTimeDesc
	c <- commitSizeDesc
}

// Collect implements prometheus.Collector.
func (f commits) Collect(c chan<- prometheus.Metric) {
	all := f()
	c <- histogram(commitTimeDesc, all.Seconds)
	c <- histogram(commitSizeDesc, all.Operations)
}

// histogram returns a histogram with the cumulative buckets of Prometheus.
func histogram(d *prometheus.Desc, h spool.Histogram) prometheus.Metric {
	buckets, sum := map[float64]uint64{}, uint64(0)
	for i, bound := range h.Bounds {
		sum += h.Counts[i]
		buckets[bound] = sum
	}
	return prometheus.MustNewConstHistogram(d, h.Count, h.Sum, buckets)
}
