// Package chart tests the Helm chart and the Kubernetes manifests with Helm itself and the types of Kubernetes.
// It is a module of its own, for make chart: to build Helm takes 300 CPU seconds, three times as long as
// heyrelay. What Helm made of the chart stands in testdata, where test/packaging checks it without Helm.
package chart
